import {
  createTRPCClient,
  httpBatchLink,
  httpLink,
  splitLink,
  type HTTPBatchLinkOptions,
  type TRPCClient,
  type TRPCLink,
  type WebSocketClientOptions,
} from "@trpc/client";
import type { AnyRouter } from "@trpc/server";
import { observable } from "@trpc/server/observable";
import superjson from "superjson";

import type { AppRouter } from "../app-router.js";
import { Connection, type ConnectionStore } from "./connection.js";
import { Outbox, type OutboxStorage } from "./outbox.js";
import { isLoss } from "./problems.js";
import { firstTransport, Routes } from "./routes.js";
import { isAtOnce } from "./urgency.js";

/** What `createTidewireClient` takes. */
export interface TidewireClientOptions {
  /** The endpoint: a path such as "/api/trpc", or an http(s) URL. The WebSocket's is derived from it. */
  readonly url: string;
  /**
   * How subscriptions come. "auto", the default, takes server-sent events when a WebSocket never opens in two
   * attempts though the server answers other requests.
   */
  readonly transport?: "auto" | "websocket" | "sse";
  /** Says who is calling; goes to the server with each WebSocket and each event stream. */
  readonly connectionParams?: NonNullable<WebSocketClientOptions["connectionParams"]>;
  /** Headers of queries and mutations. */
  readonly headers?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);
  /**
   * Keeps messages that the server has not taken yet, such as `localStorage`: they are still there after a reload,
   * and are sent then, under the same id. Without one they are lost with the page.
   */
  readonly outbox?: OutboxStorage | undefined;
  /** For places that have none of their own, such as Node 20. */
  readonly WebSocket?: typeof globalThis.WebSocket;
  /** For places that have none of their own, such as Node. */
  readonly EventSource?: unknown;
  /** Instead of the global one. */
  readonly fetch?: typeof globalThis.fetch;
}

/** A client of a Tidewire server. */
export interface TidewireClient<TRouter extends AnyRouter = AppRouter> {
  /** The stock client; calls are typed by the router. */
  readonly trpc: TRPCClient<TRouter>;
  /** How the page reaches the server. */
  readonly connection: ConnectionStore;
  /** Holds what the server has not taken yet, over reloads; absent if nothing is to be kept. */
  readonly outbox?: Outbox;
  /** Close all connections. */
  close(): void;
}

type Fetch = NonNullable<HTTPBatchLinkOptions<AppRouter["_def"]["_config"]["$types"]>["fetch"]>;

/** What a browser sends of requests that outlive their page, in characters of the body. */
const KEPT_ALIVE = 32_000;

/**
 * Create a client: subscriptions over a WebSocket, or over server-sent events where that is blocked; the rest over
 * HTTP, in batches. Values travel by superjson.
 */
export function createTidewireClient<TRouter extends AnyRouter = AppRouter>(
  options: TidewireClientOptions,
): TidewireClient<TRouter> {
  const url = absolute(options.url);
  const connection = new Connection(firstTransport(options));
  const routes = new Routes(options, url, connection);
  const outbox = options.outbox && new Outbox(options.outbox);
  const http = {
    url,
    transformer: superjson,
    fetch: keepingAlive(options.fetch),
    ...(options.headers && { headers: options.headers }),
  };
  const links: TRPCLink<AppRouter>[] = [
    splitLink({
      condition: (op) => op.type === "subscription",
      true: routes.link,
      false: [
        reporting(connection, routes),
        splitLink({
          condition: isAtOnce,
          true: httpLink(http),
          false: httpBatchLink({ ...http, maxURLLength: 6_000 }),
        }),
      ],
    }),
  ];
  return {
    // Links know nothing of procedures; only the transformer must be the router's.
    trpc: createTRPCClient<TRouter>({ links: links as unknown as TRPCLink<TRouter>[] }),
    connection,
    ...(outbox && { outbox }),
    close() {
      routes.close();
      outbox?.close();
      connection.close();
    },
  };
}

function absolute(url: string): string {
  const page = globalThis.location?.href;
  if (!page && !/^https?:/.test(url)) {
    throw new TypeError(`"${url}" is no http(s) URL, and there is no page whose address completes it`);
  }
  const { href } = new URL(url, page);
  return href.replace(/\/$/, "");
}

/** Where neither a socket nor a stream is open, requests tell whether the server is there. */
function reporting(connection: Connection, routes: Routes): TRPCLink<AppRouter> {
  const isTelling = (): boolean => connection.getSnapshot().transport === "sse" && !routes.isUsed;
  return () =>
    ({ op, next }) =>
      observable((observer) =>
        next(op).subscribe({
          next: (envelope) => {
            if (isTelling()) connection.succeed();
            observer.next(envelope);
          },
          error: (error) => {
            if (isTelling() && isLoss(error) && error.cause?.name !== "AbortError") connection.fail();
            observer.error(error);
          },
          complete: () => observer.complete(),
        }),
      );
}

/** A `fetch` whose small requests are finished even if the page is left. */
function keepingAlive(own: typeof globalThis.fetch | undefined): Fetch {
  return (input, init) => {
    const ask = own ?? globalThis.fetch;
    const isSmall = typeof init?.body === "string" && init.body.length < KEPT_ALIVE;
    // The stock client's type for `init` is looser, its values are not.
    return ask(input, { ...init, ...(isSmall && { keepalive: true }) } as RequestInit);
  };
}
