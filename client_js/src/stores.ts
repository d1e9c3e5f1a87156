import type { Conversation } from "../app-router.js";
import type { ChatClient } from "./chat.js";
import { ConversationStore } from "./conversation.js";
import { Listeners } from "./observed.js";

/** The conversations that are used with one client. */
class Stores {
  readonly changes = new Listeners<[Conversation]>();
  readonly #client: ChatClient;
  readonly #stores = new Map<string, ConversationStore>();

  constructor(client: ChatClient) {
    this.#client = client;
  }

  get(id: string): ConversationStore {
    const known = this.#stores.get(id);
    if (known) return known;
    const store = new ConversationStore(this.#client, id, {
      onChange: (conversation) => this.changes.call(conversation),
      onUnused: () => this.#stores.delete(id),
    });
    this.#stores.set(id, store);
    return store;
  }

  peek(id: string): ConversationStore | undefined {
    return this.#stores.get(id);
  }
}

const all = new WeakMap<ChatClient, Stores>();

/** The conversations of a client. */
export function storesOf(client: ChatClient): Stores {
  const stores = all.get(client) ?? new Stores(client);
  all.set(client, stores);
  return stores;
}

/**
 * The store of a conversation, the same one for all who use it with this client; kept for a minute after the last one
 * has left.
 */
export function conversationStore(client: ChatClient, conversationId: string): ConversationStore {
  return storesOf(client).get(conversationId);
}
