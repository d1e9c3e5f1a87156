import { isAfter, isPlaced, placeOf, type TrackedEvent } from "./place.js";

/** Events that have come, and are not applied yet. */
export class Backlog {
  #events: TrackedEvent[] = [];
  /** The event that the server is asked about. */
  #unplaced: TrackedEvent | null = null;
  /** The event that the server was asked about, and has told what there is to know. */
  #answered: TrackedEvent | null = null;
  /** The newest event that has come. */
  #lastEventId: string | null = null;

  /** After which event to go on; null before anything has come. */
  get lastEventId(): string | null {
    return this.#lastEventId;
  }

  /** Whether the server has to be asked before more can be applied. */
  get isStuck(): boolean {
    return this.#unplaced !== null;
  }

  add(event: TrackedEvent): void {
    if (isPlaced(event)) this.#lastEventId = event.id;
    this.#events.push(event);
  }

  /** The server was asked, and has told what there is to know up to an event. */
  answer(upTo: string): void {
    this.#answered = this.#unplaced;
    const last = this.#lastEventId;
    if (last === null || !isAfter(placeOf(last), placeOf(upTo))) this.#lastEventId = upTo;
  }

  /** Apply what has come up to an event that cannot be placed; true if that is another one than before. */
  drain(apply: (event: TrackedEvent) => boolean): boolean {
    const before = this.#unplaced;
    let done = 0;
    for (const event of this.#events) {
      // What the server has told all about that it knows is passed over.
      if (!apply(event) && event !== this.#answered) break;
      done += 1;
    }
    this.#events = this.#events.slice(done);
    this.#unplaced = this.#events[0] ?? null;
    return this.#unplaced !== null && this.#unplaced !== before;
  }
}
