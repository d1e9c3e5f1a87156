import { EventSource } from "eventsource";
import { WebSocket } from "ws";
import { onTestFinished } from "vitest";

import {
  ConversationStore,
  createTidewireClient,
  type ChatMessage,
  type ConversationView,
  type Readable,
  type TidewireClient,
  type TidewireClientOptions,
} from "../src/index.js";

const WAIT_MS = 25_000;

/** A client that is closed at the end of the test. */
export function clientOf(url: string, options: Partial<TidewireClientOptions> = {}): TidewireClient {
  const client = createTidewireClient({
    url,
    WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
    EventSource,
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

/** A conversation's store that is followed until the end of the test. */
export function followed(client: TidewireClient, id: string, pageSize?: number): ConversationStore {
  const store = new ConversationStore(client, id, pageSize === undefined ? {} : { pageSize });
  onTestFinished(store.subscribe(() => {}));
  return store;
}

/** A new conversation's id. */
export async function created(client: TidewireClient): Promise<string> {
  return (await client.trpc.conversations.create.mutate()).id;
}

/** Wait until a store's value is as wanted, and give it. */
export async function until<T>(store: Readable<T>, is: (value: T) => boolean): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      leave();
      reject(new Error(`it did not come to that: ${JSON.stringify(store.getSnapshot(), null, 1)}`));
    }, WAIT_MS);
    const look = (): void => {
      const value = store.getSnapshot();
      if (!is(value)) return;
      clearTimeout(timer);
      leave();
      resolve(value);
    };
    let leave = (): void => {};
    leave = store.subscribe(look);
    look();
  });
}

export const isReady = ({ status }: ConversationView): boolean => status === "ready";

/** Whether nothing is going on, with this many messages shown. */
export const isIdleWith =
  (count: number) =>
  ({ status, activity, messages }: ConversationView): boolean =>
    status === "ready" && activity === "idle" && messages.length === count;

/** What `conversations.get` says, in the shape of what is shown. */
export async function stored(client: TidewireClient, id: string): Promise<Plain[]> {
  return (await client.trpc.conversations.get.query({ conversationId: id, limit: 200 })).messages.map(plain);
}

type Plain = ReturnType<typeof plain>;

/** A message without what only a view has, and without the time: a page's clock is not the server's. */
export function plain(message: Omit<ChatMessage, "key"> & { key?: string }) {
  const { key: _, delivery: __, problem: ___, createdAt: ____, ...rest } = message;
  return rest;
}

export const texts = ({ messages }: ConversationView): string[] => messages.map(({ content }) => content);
