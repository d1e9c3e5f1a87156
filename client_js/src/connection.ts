import { Listeners, type Readable } from "./observed.js";
import type { ConnectionState, ConnectionStatus } from "./types.js";

/** How the page reaches the server, as a store. */
export type ConnectionStore = Readable<ConnectionState>;

const UNREACHABLE = "The server cannot be reached. Trying again.";
const OFFLINE = "This device is offline.";

/** Whether nothing gets through just now. */
export function isAway({ status }: ConnectionState): boolean {
  return status === "offline" || status === "reconnecting";
}

/** Puts together what the stock client's connection and the browser say. */
export class Connection implements ConnectionStore {
  #reached: Exclude<ConnectionStatus, "offline"> = "connecting";
  #isOnline: boolean;
  #state: ConnectionState;
  readonly #listeners = new Listeners();
  readonly #online = new Listeners();

  constructor(transport: ConnectionState["transport"]) {
    this.#isOnline = globalThis.navigator?.onLine !== false;
    this.#state = { status: "connecting", transport, problem: null };
    this.#put(transport);
    globalThis.addEventListener?.("online", this.#onOnline);
    globalThis.addEventListener?.("offline", this.#onOffline);
  }

  getSnapshot = (): ConnectionState => this.#state;

  subscribe = (listener: () => void): (() => void) => this.#listeners.add(listener);

  get isOnline(): boolean {
    return this.#isOnline;
  }

  /** Have `listener` called whenever the network has come back. */
  onOnline(listener: () => void): () => void {
    return this.#online.add(listener);
  }

  /** Say that the server was reached. */
  succeed(): void {
    this.#reached = "live";
    this.#put(this.#state.transport);
  }

  /** Say that the server was lost, or not reached. */
  fail(): void {
    this.#reached = "reconnecting";
    this.#put(this.#state.transport);
  }

  /** Say that subscriptions come another way from now on. */
  move(transport: ConnectionState["transport"]): void {
    this.#reached = "connecting";
    this.#put(transport);
  }

  close(): void {
    globalThis.removeEventListener?.("online", this.#onOnline);
    globalThis.removeEventListener?.("offline", this.#onOffline);
  }

  readonly #onOnline = (): void => {
    this.#isOnline = true;
    if (this.#reached === "live") this.#reached = "reconnecting";
    this.#put(this.#state.transport);
    this.#online.call();
  };

  readonly #onOffline = (): void => {
    this.#isOnline = false;
    this.#put(this.#state.transport);
  };

  #put(transport: ConnectionState["transport"]): void {
    const status = this.#isOnline ? this.#reached : "offline";
    const problem = status === "offline" ? OFFLINE : status === "reconnecting" ? UNREACHABLE : null;
    const { status: oldStatus, transport: oldTransport } = this.#state;
    if (status === oldStatus && transport === oldTransport) return;
    this.#state = { status, transport, problem };
    this.#listeners.call();
  }
}
