import type { AIConfig, MessageEvent } from "../../app-router.js";
import { isAway, type ConnectionStore } from "../connection.js";
import type { Listeners } from "../observed.js";
import { isLoss, readable } from "../problems.js";
import type { ChatMessage } from "../types.js";
import type { Calls } from "./calls.js";
import type { Failure } from "./failure.js";
import type { Follower } from "./follower.js";
import { isUnderWay, letterAbout, moved, newLetter, type Letter } from "./letters.js";
import type { Outgoing } from "./outgoing.js";
import { Subscription } from "./subscription.js";

/** Attempts to send a message while the server seems to be there, but cannot be reached. */
const MAX_LOSSES = 3;

/**
 * Sends letters. What waits for the network goes out one by one, for the server answers one at a time.
 *
 * A letter is "pending" at once, or "queued" until it can be. A pending one is "taken" when the server has it, "failed"
 * when the server refuses it, and "queued" again when the server was not reached. It ends when its turn is seen to begin.
 */
export class Sender {
  readonly #calls: Calls;
  readonly #connection: ConnectionStore;
  readonly #outgoing: Outgoing;
  readonly #follower: Follower;
  readonly #failure: Failure;
  readonly #changes: Listeners;

  constructor(
    calls: Calls,
    connection: ConnectionStore,
    outgoing: Outgoing,
    follower: Follower,
    failure: Failure,
    changes: Listeners,
  ) {
    this.#calls = calls;
    this.#connection = connection;
    this.#outgoing = outgoing;
    this.#follower = follower;
    this.#failure = failure;
    this.#changes = changes;
    follower.drained.add(() => this.sendNext());
  }

  /** Send a new message. */
  send(text: string, config: AIConfig | undefined): void {
    if (!text.trim()) return;
    this.#post(newLetter(this.#calls.conversationId, text, config, this.#firstDelivery()));
  }

  /** Have a user's message answered again, with a new text unless that is null. */
  sendAgain(question: ChatMessage, text: string | null, config: AIConfig | undefined): void {
    if (text !== null && !text.trim()) return;
    // A newer wish takes the place of an older one.
    for (const letter of this.#outgoing.letters) {
      if (letter.messageId === question.id) this.#outgoing.drop(letter);
    }
    this.#post(letterAbout(question, text, config, this.#firstDelivery()));
  }

  /** Send a failed letter once more. */
  retry(key: string): void {
    const letter = this.#outgoing.letters.find((each) => each.key === key && each.delivery === "failed");
    if (letter) this.#put(moved(letter, this.#firstDelivery()));
  }

  /** Give a failed or queued letter up. */
  discard(key: string): void {
    const letter = this.#outgoing.letters.find((each) => each.key === key && !isUnderWay(each));
    if (letter) this.#drop(letter);
  }

  /** Another tab that had a letter, too, has sent it or given it up. */
  forget(clientMessageId: string): void {
    const letter = this.#outgoing.find(clientMessageId);
    if (letter && !isUnderWay(letter)) this.#drop(letter);
  }

  /** The connection is lost: have what was on its way wait. */
  holdBack(): void {
    for (const letter of this.#outgoing.letters) {
      if (letter.delivery === "pending") this.#outgoing.put(moved(letter, "queued"));
    }
    this.#changes.call();
  }

  /** Send the first letter that waits, if nothing is in its way. */
  sendNext(): void {
    const isLive = this.#connection.getSnapshot().status === "live";
    if (!isLive || !this.#follower.isFree || this.#outgoing.isUnderWay) return;
    const letter = this.#outgoing.letters.find(({ delivery }) => delivery === "queued");
    if (letter) this.#put(moved(letter, "pending"));
  }

  #firstDelivery(): "queued" | "pending" {
    const isBehind = this.#outgoing.letters.some(({ delivery }) => delivery === "queued");
    return isBehind || isAway(this.#connection.getSnapshot()) ? "queued" : "pending";
  }

  #post(letter: Letter): void {
    this.#put(letter);
    if (letter.delivery === "queued") this.sendNext();
  }

  /** Show what has become of a letter; one that is pending now goes out. */
  #put(letter: Letter): void {
    this.#outgoing.put(letter);
    this.#changes.call();
    if (letter.delivery === "pending") this.#transmit(letter);
  }

  #drop(letter: Letter): void {
    this.#outgoing.drop(letter);
    this.#changes.call();
  }

  /** Follow a turn until its first event: that says that the server has what was sent. */
  #transmit(letter: Letter): void {
    const { clientMessageId } = letter;
    const delivery = new Subscription({
      onData: ({ data }) => this.#take(clientMessageId, data),
      onError: (error) => this.#bounce(clientMessageId, error),
      onComplete: () => this.#bounce(clientMessageId, null),
    });
    this.#outgoing.attach(letter, delivery);
    delivery.open((observer) => this.#calls.turn(letter, observer));
  }

  #take(clientMessageId: string, first: MessageEvent): void {
    const letter = this.#outgoing.find(clientMessageId);
    if (!letter) return;
    this.#put(moved(letter, "taken"));
    // If nobody follows, it is there when somebody comes back.
    if (this.#follower.isFollowing) this.#follower.catchUp(first);
    else this.#outgoing.drop(letter);
  }

  #bounce(clientMessageId: string, error: unknown): void {
    const letter = this.#outgoing.find(clientMessageId);
    if (!letter) return;
    if (isLoss(error) && letter.losses < MAX_LOSSES) {
      this.#put(moved({ ...letter, losses: letter.losses + 1 }, "queued"));
    } else if (letter.text === null) {
      this.#failure.set({ message: readable(error), retryable: false }, null);
      this.#drop(letter);
    } else {
      this.#put(moved(letter, "failed", readable(error)));
    }
    this.sendNext();
  }
}
