import type { Outbox } from "../outbox.js";
import { isUnderWay, type Letter } from "./letters.js";
import type { Subscription } from "./subscription.js";

/** What was sent from here, until its turn is seen to begin. The outbox keeps it over reloads. */
export class Outgoing {
  readonly #conversationId: string;
  readonly #outbox: Outbox | undefined;
  readonly #deliveries = new Map<string, Subscription>();
  #letters: readonly Letter[];

  constructor(conversationId: string, outbox: Outbox | undefined) {
    this.#conversationId = conversationId;
    this.#outbox = outbox;
    this.#letters = outbox?.of(conversationId) ?? [];
  }

  /** In the order in which they were written. */
  get letters(): readonly Letter[] {
    return this.#letters;
  }

  get isEmpty(): boolean {
    return this.#letters.length === 0;
  }

  /** Whether anything is to be sent, or on its way: all but what has failed. */
  get hasToSend(): boolean {
    return this.#letters.some(({ delivery }) => delivery !== "failed");
  }

  /** Whether something has gone out whose turn has not been seen to begin. */
  get isUnderWay(): boolean {
    return this.#letters.some(isUnderWay);
  }

  find(clientMessageId: string | undefined): Letter | undefined {
    return this.#letters.find((letter) => letter.clientMessageId === clientMessageId);
  }

  /** Put a letter in the place of what it was before, or last if it is new. */
  put(letter: Letter): void {
    const { clientMessageId } = letter;
    if (letter.delivery !== "pending") this.#end(clientMessageId);
    this.#letters = this.find(clientMessageId)
      ? this.#letters.map((each) => (each.clientMessageId === clientMessageId ? letter : each))
      : [...this.#letters, letter];
    this.#outbox?.keep(letter);
  }

  /** Have a pending letter's subscription ended as soon as it is pending no longer. */
  attach({ clientMessageId }: Letter, delivery: Subscription): void {
    this.#deliveries.set(clientMessageId, delivery);
  }

  drop({ clientMessageId }: Letter): void {
    this.#end(clientMessageId);
    this.#letters = this.#letters.filter((each) => each.clientMessageId !== clientMessageId);
    this.#outbox?.forget(this.#conversationId, clientMessageId);
  }

  #end(clientMessageId: string): void {
    this.#deliveries.get(clientMessageId)?.end();
    this.#deliveries.delete(clientMessageId);
  }
}
