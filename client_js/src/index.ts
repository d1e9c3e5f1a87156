export { createTidewireClient, type TidewireClient, type TidewireClientOptions } from "./client.js";
export type { ConnectionStore } from "./connection.js";
export { ConversationStore, type ChatClient, type ConversationOptions } from "./conversation.js";
export { applyEvent, EMPTY_FOLD, foldEvents, foldOf, type Folded, type Written } from "./fold.js";
export type { Readable } from "./observed.js";
export type { Outbox, OutboxStorage } from "./outbox.js";
export { readable } from "./problems.js";
export { conversationStore } from "./stores.js";
export type * from "./types.js";
