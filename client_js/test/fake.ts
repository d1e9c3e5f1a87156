import { TRPCClientError } from "@trpc/client";
import { onTestFinished } from "vitest";

import { ConversationStore, type ChatClient, type ConnectionState, type MessageEvent } from "../src/index.js";
import type { ConversationState, ErrorCode, Message } from "../src/index.js";
import { Listeners } from "../src/observed.js";
import { Outbox, type OutboxStorage } from "../src/outbox.js";

interface Observer {
  readonly onStarted?: () => void;
  readonly onData?: (event: { id: string; data: MessageEvent }) => void;
  readonly onError?: (error: unknown) => void;
  readonly onComplete?: () => void;
}

/** One subscription that a store has opened. */
export interface Opened {
  readonly path: "watch" | "streamMessage" | "regenerate";
  readonly input: Record<string, unknown>;
  readonly observer: Observer;
  isOver: boolean;
}

/** A client without a server: the test says what comes when. */
export class FakeChat {
  readonly opened: Opened[] = [];
  readonly gets: { readonly resolve: (state: ConversationState) => void; readonly reject: (e: unknown) => void }[] = [];
  readonly stops: { readonly resolve: (result: { stopped: boolean }) => void; readonly reject: (e: unknown) => void }[] =
    [];
  readonly client: ChatClient;
  #state: ConnectionState = { status: "live", transport: "websocket", problem: null };
  readonly #listeners = new Listeners();

  constructor(storage?: OutboxStorage) {
    const subscribe =
      (path: Opened["path"]) =>
      (input: Record<string, unknown>, observer: Observer): { unsubscribe(): void } => {
        const opened: Opened = { path, input, observer, isOver: false };
        this.opened.push(opened);
        return { unsubscribe: () => void (opened.isOver = true) };
      };
    const query = (): Promise<ConversationState> =>
      new Promise((resolve, reject) => this.gets.push({ resolve, reject }));
    const conversations = {
      get: { query },
      watch: { subscribe: subscribe("watch") },
      streamMessage: { subscribe: subscribe("streamMessage") },
      regenerate: { subscribe: subscribe("regenerate") },
      stop: {
        mutate: (): Promise<{ stopped: boolean }> =>
          new Promise((resolve, reject) => this.stops.push({ resolve, reject })),
      },
    };
    this.client = {
      trpc: { conversations } as unknown as ChatClient["trpc"],
      connection: {
        getSnapshot: () => this.#state,
        subscribe: (listener) => this.#listeners.add(listener),
      },
      ...(storage && { outbox: new Outbox(storage) }),
    };
  }

  /** A followed store of this client. */
  followed(): ConversationStore {
    const store = new ConversationStore(this.client, "k");
    onTestFinished(store.subscribe(() => {}));
    return store;
  }

  /** What was opened last on a path. */
  last(path: Opened["path"]): Opened {
    return this.opened.findLast((each) => each.path === path)!;
  }

  /** Answer the oldest unanswered `get`. */
  async answer(upTo: string, messages: Message[] = [], nextCursor?: string): Promise<void> {
    const at = new Date(0);
    const conversation = { id: "k", createdAt: at, updatedAt: at };
    this.gets.shift()!.resolve({ conversation, messages, upTo, ...(nextCursor !== undefined && { nextCursor }) });
    await settled();
  }

  async refuse(error: unknown): Promise<void> {
    this.gets.shift()!.reject(error);
    await settled();
  }

  /** Give events to whoever watches, with ids from a number on, and wait until they are shown. */
  async tell(first: number, ...events: MessageEvent[]): Promise<void> {
    const { observer } = this.last("watch");
    events.forEach((data, index) => observer.onData?.({ id: `e.${first + index}`, data }));
    await frame();
  }

  connect(status: ConnectionState["status"]): void {
    this.#state = { ...this.#state, status };
    this.#listeners.call();
  }
}

export function refusal(code: ErrorCode, message = "No."): TRPCClientError<never> {
  return TRPCClientError.from({ error: { message, code: -32_000, data: { code } } }) as TRPCClientError<never>;
}

/** Let promises that are resolved be told. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Let a frame pass: what stands for one is 16 ms long. */
export const frame = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

export const start = (turn: string, user: string, clientMessageId?: string): MessageEvent => ({
  type: "start",
  turnId: turn,
  messageId: `${turn}-answer`,
  userMessageId: user,
  ...(clientMessageId !== undefined && { clientMessageId }),
  model: "demo",
});

export const said = (content: string): MessageEvent => ({ type: "text_delta", content });

export const complete = (turn: string): MessageEvent => ({
  type: "complete",
  messageId: `${turn}-answer`,
  status: "ok",
});

export function message(id: string, content: string, more: Partial<Message> = {}): Message {
  return {
    id,
    conversationId: "k",
    turnId: "t",
    role: "user",
    status: "ok",
    content,
    parts: content ? [{ type: "text", content }] : [],
    createdAt: new Date(0),
    ...more,
  };
}

export const answer = (turn: string, content: string, more: Partial<Message> = {}): Message =>
  message(`${turn}-answer`, content, { role: "assistant", turnId: turn, ...more });
