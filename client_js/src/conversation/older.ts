import type { Listeners } from "../observed.js";
import { readable } from "../problems.js";
import type { Calls } from "./calls.js";
import type { Failure } from "./failure.js";
import type { Transcript } from "./transcript.js";

/** The messages before the oldest one that is shown. */
export class OlderMessages {
  readonly #calls: Calls;
  readonly #transcript: Transcript;
  readonly #failure: Failure;
  readonly #changes: Listeners;
  #isLoading = false;

  constructor(calls: Calls, transcript: Transcript, failure: Failure, changes: Listeners) {
    this.#calls = calls;
    this.#transcript = transcript;
    this.#failure = failure;
    this.#changes = changes;
  }

  get isLoading(): boolean {
    return this.#isLoading;
  }

  /** Load a page of them. */
  async load(): Promise<void> {
    const { cursor } = this.#transcript;
    if (cursor === undefined || this.#isLoading) return;
    this.#isLoading = true;
    this.#failure.clear();
    this.#changes.call();
    try {
      const page = await this.#calls.get(cursor);
      // Meanwhile all may have been loaded anew.
      if (this.#transcript.cursor === cursor) this.#transcript.prepend(page.messages, page.nextCursor);
    } catch (error) {
      this.#failure.set({ message: readable(error), retryable: true }, () => void this.load());
    }
    this.#isLoading = false;
    this.#changes.call();
  }
}
