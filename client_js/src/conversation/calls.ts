import type { Unsubscribable } from "@trpc/server/observable";

import type { ConversationState } from "../../app-router.js";
import type { ChatClient } from "../chat.js";
import { AT_ONCE } from "../urgency.js";
import type { Letter } from "./letters.js";
import type { Observer } from "./subscription.js";

/** Milliseconds that a query may take. */
const QUERY_TIMEOUT = 20_000;

/** What the server is asked about one conversation. */
export class Calls {
  readonly conversationId: string;
  readonly #client: ChatClient;
  readonly #pageSize: number;

  constructor(client: ChatClient, conversationId: string, pageSize: number) {
    this.conversationId = conversationId;
    this.#client = client;
    this.#pageSize = pageSize;
  }

  /** The newest messages, or those before a cursor. */
  get(cursor?: string): Promise<ConversationState> {
    const limit = this.#pageSize;
    const page = cursor === undefined ? { limit } : { limit, cursor };
    return this.#procedures.get.query({ conversationId: this.conversationId, ...page }, soon());
  }

  stop(): Promise<{ readonly stopped: boolean }> {
    return this.#procedures.stop.mutate({ conversationId: this.conversationId }, soon());
  }

  /** All events after one, of whoever begins a turn. */
  watch(lastEventId: string | null, observer: Observer): Unsubscribable {
    return this.#procedures.watch.subscribe({ conversationId: this.conversationId, lastEventId }, observer);
  }

  /** The events of the turn that answers a letter; asking for them sends it. */
  turn({ clientMessageId, text, messageId, config }: Letter, observer: Observer): Unsubscribable {
    const about = { conversationId: this.conversationId, clientMessageId, ...(config && { config }) };
    return messageId === null
      ? this.#procedures.streamMessage.subscribe({ ...about, message: text ?? "" }, observer)
      : this.#procedures.regenerate.subscribe({ ...about, messageId, message: text }, observer);
  }

  get #procedures(): ChatClient["trpc"]["conversations"] {
    return this.#client.trpc.conversations;
  }
}

/** For a request of its own, which is given up some time. */
function soon(): { readonly context: typeof AT_ONCE; readonly signal: AbortSignal } {
  return { context: AT_ONCE, signal: AbortSignal.timeout(QUERY_TIMEOUT) };
}
