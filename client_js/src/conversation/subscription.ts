import type { Unsubscribable } from "@trpc/server/observable";

import type { TrackedEvent } from "./place.js";

/** What is told of a subscription. */
export interface Observer {
  readonly onStarted?: () => void;
  readonly onData: (event: TrackedEvent) => void;
  readonly onError: (error: unknown) => void;
  /** The server is being shut down, or the client was closed. */
  readonly onComplete: () => void;
}

/** A subscription of which nothing is told any more once it has failed, is complete, or was ended. */
export class Subscription {
  readonly #observer: Observer;
  #source: Unsubscribable | undefined;
  #isOver = false;

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  /** Begin. It may be over when this returns, for some calls fail at once. */
  open(subscribe: (observer: Observer) => Unsubscribable): void {
    const { onStarted, onData, onError, onComplete } = this.#observer;
    this.#source = subscribe({
      onStarted: () => this.#isOver || onStarted?.(),
      onData: (event) => this.#isOver || onData(event),
      onError: (error) => this.end() && onError(error),
      onComplete: () => this.end() && onComplete(),
    });
    if (this.#isOver) this.#source.unsubscribe();
  }

  /** False if it was over. */
  end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#source?.unsubscribe();
    return true;
  }
}
