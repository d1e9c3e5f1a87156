import type { AIConfig, Conversation, Message } from "../app-router.js";

export type {
  ActiveTurn,
  AIConfig,
  AppRouter,
  Conversation,
  ConversationState,
  ErrorCode,
  Failure,
  Message,
  MessageEvent,
  MessageStatus,
  ModelInfo,
  Page,
  Part,
  ReasoningPart,
  RefusalPart,
  TextPart,
  ToolCallPart,
  ToolInfo,
  TurnOutcome,
  Usage,
} from "../app-router.js";

/** How the page reaches the server just now. */
export type ConnectionStatus = "connecting" | "live" | "reconnecting" | "offline";

/** The connection as a page shows it. */
export interface ConnectionState {
  readonly status: ConnectionStatus;
  /** What subscriptions come by; "sse" once a WebSocket was found to be blocked. */
  readonly transport: "websocket" | "sse";
  /** Words a person may read about the last failure, or null. */
  readonly problem: string | null;
}

/** A message as it is shown: a stored one, or one that is on its way. */
export interface ChatMessage extends Message {
  /** Stays the same from "pending" on: the React key. For own messages the clientMessageId, else the id. */
  readonly key: string;
  /** Of own messages that the server has not taken yet, and absent once it has. "queued" waits for the network. */
  readonly delivery?: "pending" | "queued" | "failed";
  /** Why it could not be sent. */
  readonly problem?: string;
}

/** What went wrong with a conversation, in words a person may read. */
export interface ConversationProblem {
  readonly message: string;
  /** Whether trying again may help. */
  readonly retryable: boolean;
}

/**
 * What a conversation is doing. "sending": the server has not taken the message yet; "waiting": it has, and there
 * is nothing to show yet; "stopping": `stop` was called, and the answer has not ended yet.
 */
export type Activity = "idle" | "sending" | "waiting" | "streaming" | "stopping";

/** Everything a page shows of a conversation. A new object only when something changed; unchanged messages stay the same objects. */
export interface ConversationView {
  /** "missing": there is no such conversation, or not any more. */
  readonly status: "loading" | "ready" | "missing" | "failed";
  readonly problem: ConversationProblem | null;
  readonly conversation: Conversation | null;
  /** Oldest first; the last may be an answer that is "streaming". */
  readonly messages: readonly ChatMessage[];
  readonly activity: Activity;
  readonly hasOlder: boolean;
  readonly loadingOlder: boolean;
}

/** What a person can do in a conversation. None of these throws or rejects; what fails is shown in the view. */
export interface ConversationActions {
  /** Send a message. It is shown at once; while offline it waits. */
  send(text: string, config?: AIConfig): void;
  /** Send a failed message once more, under the same clientMessageId: it is never answered twice. */
  retry(key: string): void;
  /** Give a failed or queued message up. */
  discard(key: string): void;
  /** Stop the answer that is being written; what is there is kept. */
  stop(): Promise<void>;
  /** Have a message answered again: the user's message's id, or its answer's. What came after is deleted. */
  regenerate(messageId: string, config?: AIConfig): void;
  /** Give a user's message another text and have it answered again. What came after is deleted. */
  edit(messageId: string, text: string, config?: AIConfig): void;
  /** Load the messages before the oldest one shown. */
  loadOlder(): Promise<void>;
  /** Begin again after "failed", "missing", or a problem that cannot be retried by itself. */
  reload(): void;
  /** Do again what the problem is about: stop, load older messages, or load and follow the conversation. */
  tryAgain(): void;
  /** Take the problem off the view. */
  dismissProblem(): void;
}
