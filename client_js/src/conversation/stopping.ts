import { until, type Listeners } from "../observed.js";
import { problemOf } from "../problems.js";
import type { Calls } from "./calls.js";
import type { Failure } from "./failure.js";
import type { Outgoing } from "./outgoing.js";
import type { Transcript } from "./transcript.js";

/** Stops the answer that is being written, or is about to be. */
export class Stopping {
  readonly #calls: Calls;
  readonly #transcript: Transcript;
  readonly #outgoing: Outgoing;
  readonly #failure: Failure;
  readonly #changes: Listeners;
  #underWay: Promise<void> | null = null;

  constructor(
    calls: Calls,
    transcript: Transcript,
    outgoing: Outgoing,
    failure: Failure,
    changes: Listeners,
  ) {
    this.#calls = calls;
    this.#transcript = transcript;
    this.#outgoing = outgoing;
    this.#failure = failure;
    this.#changes = changes;
  }

  get isUnderWay(): boolean {
    return this.#underWay !== null;
  }

  /** Comes back once the answer has ended, or why it has not is shown. */
  stop(): Promise<void> {
    if (!this.#transcript.fold && !this.#outgoing.isUnderWay) return Promise.resolve();
    this.#failure.clear();
    this.#underWay ??= this.#stopTurn().finally(() => {
      this.#underWay = null;
      this.#changes.call();
    });
    this.#changes.call();
    return this.#underWay;
  }

  async #stopTurn(): Promise<void> {
    // Before the server has the message there is nothing to stop.
    await until(this.#changes, () => !this.#outgoing.isUnderWay);
    const turn = this.#transcript.fold?.turnId;
    if (turn === undefined) return;
    try {
      const { stopped } = await this.#calls.stop();
      if (stopped) await until(this.#changes, () => this.#transcript.fold?.turnId !== turn);
    } catch (error) {
      this.#failure.set(problemOf(error), () => void this.stop());
    }
  }
}
