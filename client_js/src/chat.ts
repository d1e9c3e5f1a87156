import type { TRPCClient } from "@trpc/client";

import type { AppRouter } from "../app-router.js";
import type { ConnectionStore } from "./connection.js";
import type { Outbox } from "./outbox.js";

/** What conversations need of a client: the chat server's procedures, whatever else its router has. */
export interface ChatClient {
  readonly trpc: Pick<TRPCClient<AppRouter>, "conversations">;
  readonly connection: ConnectionStore;
  /** Keeps what the server has not taken yet, over reloads. */
  readonly outbox?: Outbox;
}
