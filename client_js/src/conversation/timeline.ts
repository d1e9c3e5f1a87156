import type { Message, MessageEvent } from "../../app-router.js";
import { applyEvent, EMPTY_FOLD, foldOf, withFold, type Folded } from "../fold.js";
import type { ChatMessage } from "../types.js";

type Event<T extends MessageEvent["type"]> = Extract<MessageEvent, { type: T }>;

/** The messages of a conversation as the server tells of them, oldest first. */
export interface Timeline {
  readonly messages: readonly ChatMessage[];
  /** The last message, if it is an answer that is being written. */
  readonly fold: Folded | null;
}

/** What a client has sent, as far as the start of its turn does not tell it. */
export interface Sent {
  readonly conversationId: string;
  /** A new message's text, or the new text of an old one; null if it keeps its own. */
  readonly text: string | null;
  readonly isNew: boolean;
}

/** Nothing yet. */
export const EMPTY_TIMELINE: Timeline = { messages: [], fold: null };

/** A stored message as it is shown. */
export function shown(message: Message): ChatMessage {
  const key = message.role === "user" ? (message.clientMessageId ?? message.id) : message.id;
  return { ...message, key };
}

/**
 * Take the newest messages from the server, and keep older ones that were loaded before. Messages that have not
 * changed stay the same objects.
 */
export function renewed(timeline: Timeline, newest: readonly Message[]): Timeline {
  const known = new Map(timeline.messages.map((message) => [message.id, message]));
  const tail = newest.map((message) => {
    const old = known.get(message.id);
    return old && isSame(old, message) ? old : shown(message);
  });
  const overlap = timeline.messages.findIndex(({ id }) => id === tail[0]?.id);
  const last = newest.at(-1);
  return {
    messages: overlap > 0 ? [...timeline.messages.slice(0, overlap), ...tail] : tail,
    fold: last?.status === "streaming" ? foldOf(last) : null,
  };
}

/** Whether messages from before `newest` are still there. */
export function reachesBefore(timeline: Timeline, newest: readonly Message[]): boolean {
  return timeline.messages.findIndex(({ id }) => id === newest[0]?.id) > 0;
}

/**
 * Take a turn's first event; null if the server has to be asked for what it is about.
 *
 * What came after the user's message was deleted, for `regenerate` began the turn.
 */
export function begun(timeline: Timeline, start: Event<"start">, sent: Sent | null): Timeline | null {
  const { messages } = timeline;
  const index = messages.findIndex(({ id }) => id === start.userMessageId);
  const old = messages[index];
  const now = new Date();
  let user: ChatMessage;
  if (old && sent) {
    const { turnId } = start;
    user = sent.text === null ? { ...old, turnId } : { ...old, turnId, ...said(sent.text) };
  } else if (sent?.isNew && sent.text !== null && start.clientMessageId !== undefined) {
    user = {
      id: start.userMessageId,
      key: start.clientMessageId,
      conversationId: sent.conversationId,
      turnId: start.turnId,
      role: "user",
      status: "ok",
      ...said(sent.text),
      createdAt: now,
      clientMessageId: start.clientMessageId,
    };
  } else {
    return null;
  }
  const answer: ChatMessage = {
    id: start.messageId,
    key: start.messageId,
    conversationId: user.conversationId,
    turnId: start.turnId,
    role: "assistant",
    status: "streaming",
    content: "",
    parts: [],
    createdAt: now,
    model: start.model,
    // A new message carries the id itself; an old one keeps its own.
    ...(sent && !sent.isNew && start.clientMessageId !== undefined && { clientMessageId: start.clientMessageId }),
  };
  const before = old ? messages.slice(0, index) : messages;
  return { messages: [...before, user, answer], fold: applyEvent(EMPTY_FOLD, start) };
}

/** Take another event of the turn under way; null if it belongs to none that is known. */
export function continued(
  timeline: Timeline,
  event: Exclude<MessageEvent, { type: "start" | "snapshot" | "title" }>,
): Timeline | null {
  const { fold } = timeline;
  if (event.type === "complete" && fold?.messageId !== event.messageId) {
    const isEnded = timeline.messages.some(({ id, status }) => id === event.messageId && status !== "streaming");
    return isEnded ? timeline : null;
  }
  if (!fold) return null;
  const next = { ...timeline, fold: applyEvent(fold, event) };
  return event.type === "complete" ? { ...written(next), fold: null } : next;
}

/** Take a whole message instead of its events; null if it is not known. */
export function replacedBy(timeline: Timeline, { message }: Event<"snapshot">): Timeline | null {
  const { messages } = timeline;
  const index = messages.findIndex(({ id }) => id === message.id);
  if (index < 0) return null;
  const isLast = index === messages.length - 1;
  const fold = message.status === "streaming" ? foldOf(message) : isLast ? null : timeline.fold;
  return { messages: messages.with(index, shown(message)), fold };
}

/** Put what was folded into the message it is about. */
export function written(timeline: Timeline): Timeline {
  const { messages, fold } = timeline;
  const index = fold ? messages.findLastIndex(({ id }) => id === fold.messageId) : -1;
  const message = messages[index];
  if (!fold || !message) return timeline;
  if (message.parts === fold.parts && message.status === fold.status && message.error === fold.error) {
    return timeline;
  }
  return { messages: messages.with(index, withFold(message, fold)), fold };
}

/** A user's message's text. */
export function said(text: string): Pick<ChatMessage, "content" | "parts"> {
  return { content: text, parts: [{ type: "text", content: text }] };
}

function isSame(old: ChatMessage, message: Message): boolean {
  return (
    message.status !== "streaming" &&
    old.status === message.status &&
    old.content === message.content &&
    old.parts.length === message.parts.length &&
    old.turnId === message.turnId &&
    old.createdAt.getTime() === message.createdAt.getTime()
  );
}

