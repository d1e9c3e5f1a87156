import type { ConversationProblem } from "../types.js";

/** Why the last thing that somebody wanted has failed. What is wanted next takes it away. */
export class Failure {
  #problem: ConversationProblem | null = null;
  #repeat: (() => void) | null = null;

  get problem(): ConversationProblem | null {
    return this.#problem;
  }

  /** Does it once more; null if that is not to be done. */
  get repeat(): (() => void) | null {
    return this.#repeat;
  }

  set(problem: ConversationProblem, repeat: (() => void) | null): void {
    this.#problem = problem;
    this.#repeat = repeat;
  }

  clear(): void {
    this.#problem = this.#repeat = null;
  }
}
