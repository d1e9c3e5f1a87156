import { createTidewireClient } from "tidewire-client";

import { ownStorage } from "./storage.js";

/** The server that the page came from. */
export const client = createTidewireClient({ url: "/api/trpc", outbox: ownStorage() });
