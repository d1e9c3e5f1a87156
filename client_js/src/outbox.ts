import { letterFrom, type Kept, type Letter } from "./conversation/letters.js";
import { Listeners } from "./observed.js";

/** Where letters are kept: `localStorage`, or what does the same. */
export type OutboxStorage = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

const PREFIX = "tidewire.outbox.";

/**
 * Letters that the server has not taken yet, kept over reloads.
 *
 * Each has an entry of its own, for tabs share them. Two tabs may send the same letter: it has the same
 * clientMessageId in both, so it is answered once.
 */
export class Outbox {
  readonly #storage: OutboxStorage;
  readonly #forgotten = new Listeners<[clientMessageId: string]>();

  constructor(storage: OutboxStorage) {
    this.#storage = storage;
    globalThis.addEventListener?.("storage", this.#onStorage);
  }

  /** The letters of a conversation, in the order in which they were written. */
  of(conversationId: string): readonly Letter[] {
    return this.#all()
      .filter((kept) => kept.conversationId === conversationId)
      .sort((a, b) => a.at - b.at)
      .map(letterFrom);
  }

  /** The conversations in which something is still to be sent. */
  conversations(): readonly string[] {
    const waiting = this.#all().filter(({ problem }) => problem === undefined);
    return [...new Set(waiting.map(({ conversationId }) => conversationId))];
  }

  keep({ conversationId, clientMessageId, key, messageId, text, config, problem, at }: Letter): void {
    const kept: Kept = {
      conversationId,
      clientMessageId,
      key,
      messageId,
      text,
      ...(config && { config }),
      ...(problem !== undefined && { problem }),
      at,
    };
    try {
      this.#storage.setItem(nameOf(conversationId, clientMessageId), JSON.stringify(kept));
    } catch {
      // A full storage is no reason not to send it.
    }
  }

  forget(conversationId: string, clientMessageId: string): void {
    try {
      this.#storage.removeItem(nameOf(conversationId, clientMessageId));
    } catch {
      // The page may not store anything any more; then it did not keep it either.
    }
  }

  /** Have `listener` called when another tab has sent a letter, or given it up. */
  onForgotten(listener: (clientMessageId: string) => void): () => void {
    return this.#forgotten.add(listener);
  }

  close(): void {
    globalThis.removeEventListener?.("storage", this.#onStorage);
  }

  #all(): Kept[] {
    try {
      const names = Array.from({ length: this.#storage.length }, (_, index) => this.#storage.key(index) ?? "");
      return names
        .filter((name) => name.startsWith(PREFIX))
        .flatMap((name) => keptIn(this.#storage.getItem(name)) ?? []);
    } catch {
      return [];
    }
  }

  readonly #onStorage = ({ key, oldValue, newValue }: StorageEvent): void => {
    if (!key?.startsWith(PREFIX) || newValue !== null) return;
    const kept = keptIn(oldValue);
    if (kept) this.#forgotten.call(kept.clientMessageId);
  };
}

function nameOf(conversationId: string, clientMessageId: string): string {
  return `${PREFIX}${conversationId}.${clientMessageId}`;
}

/** What was written here; null if it was something else. */
function keptIn(text: string | null): Kept | null {
  try {
    const kept = JSON.parse(text ?? "null") as Partial<Kept> | null;
    const isWhole = [kept?.conversationId, kept?.clientMessageId, kept?.key].every((id) => typeof id === "string");
    return isWhole && typeof kept?.at === "number" ? (kept as Kept) : null;
  } catch {
    return null;
  }
}
