import {
  createWSClient,
  httpSubscriptionLink,
  TRPCClientError,
  wsLink,
  type OperationLink,
  type TRPCLink,
} from "@trpc/client";
import { observable, type Unsubscribable } from "@trpc/server/observable";
import superjson from "superjson";

import type { AppRouter } from "../app-router.js";
import type { TidewireClientOptions } from "./client.js";
import type { Connection } from "./connection.js";
import { Listeners } from "./observed.js";
import { TooLongError } from "./problems.js";
import { Suspicion } from "./suspicion.js";

/** Milliseconds between two looks at an attempt that hangs: firewalls drop packets without a word. */
const LOOK_INTERVAL = 5_000;

/** Milliseconds after which a trial that hangs has failed. */
const TRIAL_TIMEOUT = 10_000;

/** Milliseconds between two plain requests, while nothing else tells whether the server is there. */
const PROBE_INTERVAL = 5_000;

/** Milliseconds that a plain request may take that tells a blocked WebSocket from a server that is not there. */
const PROBE_TIMEOUT = 5_000;

/** Milliseconds between two attempts, growing; spread, for a restarted server gets all its clients back at once. */
const retryDelayMs = (attempt: number): number =>
  Math.min(5_000, 500 * 2 ** attempt) * (0.5 + Math.random() / 2);

/** A dead connection is found within 15 s; some say nothing when the network goes. */
const KEEP_ALIVE = { enabled: true, intervalMs: 10_000, pongTimeoutMs: 5_000 };

/** Characters of an address that the server takes without a doubt; it reads 64 KiB at a time. */
const ADDRESS_LENGTH = 60_000;

const TOO_LONG = "This is too long for the connection: WebSockets are blocked here.";

/** How subscriptions come at first. */
export function firstTransport({ transport, WebSocket }: TidewireClientOptions): "websocket" | "sse" {
  if (transport === "sse") return "sse";
  const hasSocket = Boolean(WebSocket ?? globalThis.WebSocket);
  return transport === "websocket" || hasSocket ? "websocket" : "sse";
}

interface Route {
  readonly link: OperationLink<AppRouter>;
  close(): void;
}

/**
 * The way subscriptions take: a WebSocket, or server-sent events if that is blocked.
 *
 * The way is changed by opening a new one; subscriptions move, and go on after the last event they saw. Another network
 * may block what the last one let through, and the other way round: both are found out when the device comes online.
 */
export class Routes {
  readonly #options: TidewireClientOptions;
  readonly #httpUrl: string;
  readonly #connection: Connection;
  readonly #moved = new Listeners();
  readonly #leaveOnline: () => void;
  /** Whether a WebSocket has opened in this network; then none is blocked. */
  #hasOpened = false;
  #isClosed = false;
  #route: Route;
  /** A WebSocket that is tried while events come as they do. */
  #trial: Route | null = null;

  constructor(options: TidewireClientOptions, httpUrl: string, connection: Connection) {
    this.#options = options;
    this.#httpUrl = httpUrl;
    this.#connection = connection;
    this.#route = this.#open();
    this.#leaveOnline = connection.onOnline(() => this.#onOnline());
  }

  /** Whether anybody subscribes to anything just now. */
  get isUsed(): boolean {
    return this.#moved.size > 0;
  }

  /** Subscribes by whatever way there is, and moves with it. */
  readonly link: TRPCLink<AppRouter> = () => {
    return ({ op, next }) =>
      observable((observer) => {
        let lastEventId: string | undefined;
        let current: Unsubscribable | null = null;
        const subscribe = (): void => {
          // A socket that was closed would open again for whoever subscribes.
          if (this.#isClosed) return;
          const before = current;
          current = null;
          before?.unsubscribe();
          const input = lastEventId === undefined ? op.input : { ...(op.input as object), lastEventId };
          let isCurrent = true;
          const subscription = this.#route.link({ op: { ...op, input }, next }).subscribe({
            next: (envelope) => {
              if (!isCurrent) return;
              if ("id" in envelope.result && typeof envelope.result.id === "string") {
                lastEventId = envelope.result.id;
              }
              observer.next(envelope);
            },
            error: (error) => isCurrent && observer.error(error),
            complete: () => isCurrent && observer.complete(),
          });
          current = {
            unsubscribe() {
              isCurrent = false;
              subscription.unsubscribe();
            },
          };
        };
        const stay = this.#moved.add(subscribe);
        subscribe();
        return () => {
          stay();
          current?.unsubscribe();
        };
      });
  };

  close(): void {
    this.#isClosed = true;
    this.#leaveOnline();
    this.#endTrial();
    this.#route.close();
  }

  #onOnline(): void {
    this.#hasOpened = false;
    this.#endTrial();
    // The old socket may be dead without knowing it, or wait for its next attempt.
    this.#replace(this.#open());
    const isBlocked = this.#connection.getSnapshot().transport === "sse";
    if (isBlocked && firstTransport(this.#options) === "websocket") {
      this.#trial = this.#openSocket(TRIAL_TIMEOUT);
    }
  }

  #endTrial(): void {
    const trial = this.#trial;
    this.#trial = null;
    trial?.close();
  }

  #replace(route: Route): void {
    const old = this.#route;
    this.#route = route;
    this.#moved.call();
    old.close();
  }

  #open(): Route {
    return this.#connection.getSnapshot().transport === "sse" ? this.#openEvents() : this.#openSocket();
  }

  /** Opens a WebSocket; whether it hangs is looked at for the first time after `patience` milliseconds. */
  #openSocket(patience = LOOK_INTERVAL): Route {
    const { WebSocket, connectionParams } = this.#options;
    const suspicion = new Suspicion(() => this.#answersRequests());
    let timer: ReturnType<typeof setTimeout> | undefined;
    /** To be called when an attempt has failed, or hangs. */
    const look = async (msToNext: number): Promise<void> => {
      clearTimeout(timer);
      if (this.#trial === route) this.#endTrial();
      if (this.#route !== route || this.#hasOpened) return;
      timer = setTimeout(() => void look(LOOK_INTERVAL), msToNext);
      const { transport = "auto" } = this.#options;
      if (transport !== "auto" || !this.#connection.isOnline) return;
      if ((await suspicion.isConfirmed()) && this.#route === route && !this.#hasOpened) this.#fallBack();
    };
    const client = createWSClient({
      url: this.#httpUrl.replace(/^http/, "ws"),
      keepAlive: KEEP_ALIVE,
      // Asked before every further attempt.
      retryDelayMs: (attempt) => {
        const delay = retryDelayMs(attempt);
        void look(delay + LOOK_INTERVAL);
        return delay;
      },
      ...(WebSocket && { WebSocket }),
      ...(connectionParams && { connectionParams }),
    });
    const state = client.connectionState.subscribe({
      next: ({ state, error }) => {
        if (state === "pending") {
          clearTimeout(timer);
          this.#hasOpened = true;
          if (this.#trial === route) this.#takeTrial();
          this.#connection.succeed();
        } else if (error && this.#route === route) {
          this.#connection.fail();
        }
      },
    });
    const route: Route = {
      link: wsLink<AppRouter>({ client, transformer: superjson })({}),
      close() {
        clearTimeout(timer);
        state.unsubscribe();
        void client.close();
      },
    };
    timer = setTimeout(() => void look(LOOK_INTERVAL), patience);
    return route;
  }

  #fallBack(): void {
    this.#connection.move("sse");
    this.#replace(this.#openEvents());
    if (!this.isUsed) this.#connection.succeed();
  }

  #takeTrial(): void {
    const trial = this.#trial;
    if (!trial) return;
    this.#trial = null;
    this.#connection.move("websocket");
    this.#replace(trial);
  }

  /** Whether the server answers what is no WebSocket. */
  async #answersRequests(): Promise<boolean> {
    const ask = this.#options.fetch ?? globalThis.fetch;
    try {
      // There is no procedure of no name: whatever the answer is, it is one.
      const answer = await ask(this.#httpUrl, { signal: AbortSignal.timeout(PROBE_TIMEOUT) });
      return answer.status < 500;
    } catch {
      return false;
    }
  }

  #openEvents(): Route {
    const { EventSource, connectionParams } = this.#options;
    const events = httpSubscriptionLink<AppRouter, typeof globalThis.EventSource>({
      url: this.#httpUrl,
      transformer: superjson,
      ...(EventSource ? { EventSource: EventSource as typeof globalThis.EventSource } : {}),
      ...(connectionParams && { connectionParams }),
    })({});
    // Without a stream, nothing else would tell that the server is back.
    const asking = setInterval(() => void this.#lookForServer(), PROBE_INTERVAL);
    // Of several streams one may fail for reasons of its own.
    const live = new Set<object>();
    const lose = (stream: object): void => {
      live.delete(stream);
      if (live.size === 0) this.#connection.fail();
    };
    return {
      link: ({ op, next }) =>
        observable((observer) => {
          const length = encodeURIComponent(JSON.stringify(superjson.serialize(op.input))).length;
          if (length > ADDRESS_LENGTH) {
            observer.error(TRPCClientError.from(new TooLongError(TOO_LONG)));
            return;
          }
          const stream = {};
          const subscription = events({ op, next }).subscribe({
            next: (envelope) => {
              if (envelope.result.type === "state") {
                const { state, error } = envelope.result;
                if (state === "pending") {
                  live.add(stream);
                  this.#connection.succeed();
                } else if (error && !error.data) lose(stream);
              }
              observer.next(envelope);
            },
            error: (error) => {
              if (!error.data) lose(stream);
              observer.error(error);
            },
            complete: () => observer.complete(),
          });
          return () => {
            live.delete(stream);
            subscription.unsubscribe();
          };
        }),
      close: () => clearInterval(asking),
    };
  }

  async #lookForServer(): Promise<void> {
    const isNeeded = (): boolean =>
      !this.isUsed && this.#connection.isOnline && this.#connection.getSnapshot().status !== "live";
    if (isNeeded() && (await this.#answersRequests()) && isNeeded() && !this.#isClosed) this.#connection.succeed();
  }
}
