import type { AIConfig } from "../../app-router.js";
import type { ChatMessage } from "../types.js";
import { said, type Sent } from "./timeline.js";

/** What is sent: a new message, or the wish for another answer to an old one, perhaps with a new text. */
export interface Letter extends Sent {
  /** Makes sure that it is answered once, however often it is sent. */
  readonly clientMessageId: string;
  /** The key of the message that shows how it fares. */
  readonly key: string;
  /** The user's message to be answered again. */
  readonly messageId: string | null;
  readonly config: AIConfig | undefined;
  /** "taken": the server has it, but its turn has not been seen to begin. */
  readonly delivery: "queued" | "pending" | "taken" | "failed";
  readonly problem?: string;
  /** How often it was sent in vain because the server could not be reached. */
  readonly losses: number;
  /** When it was written, in milliseconds since 1970. */
  readonly at: number;
  /** What is shown of a new message. */
  readonly message: ChatMessage | null;
}

/** What the outbox keeps of a letter. */
export interface Kept {
  readonly conversationId: string;
  readonly clientMessageId: string;
  readonly key: string;
  readonly messageId: string | null;
  readonly text: string | null;
  readonly config?: AIConfig;
  /** Why it could not be sent; absent if it is still to be sent. */
  readonly problem?: string;
  /** When it was written, in milliseconds since 1970. */
  readonly at: number;
}

/** Whether a letter has gone out whose turn has not been seen to begin. */
export const isUnderWay = ({ delivery }: Letter): boolean => delivery === "pending" || delivery === "taken";

/** A letter that has come to another state; its message shows it. */
export function moved(letter: Letter, delivery: Letter["delivery"], problem?: string): Letter {
  const { problem: _, ...rest } = letter;
  const next: Letter = { ...rest, delivery, ...(problem !== undefined && { problem }) };
  return { ...next, message: letter.message && marked(letter.message, next) };
}

/** A new letter with a new message. */
export function newLetter(
  conversationId: string,
  text: string,
  config: AIConfig | undefined,
  delivery: Letter["delivery"],
): Letter {
  const clientMessageId = newId();
  const letter: Letter = {
    conversationId,
    clientMessageId,
    key: clientMessageId,
    text,
    isNew: true,
    messageId: null,
    config,
    delivery,
    losses: 0,
    at: Date.now(),
    message: null,
  };
  return moved({ ...letter, message: messageOf(letter, text) }, delivery);
}

/** A new letter about an old message. */
export function letterAbout(
  user: ChatMessage,
  text: string | null,
  config: AIConfig | undefined,
  delivery: Letter["delivery"],
): Letter {
  return {
    conversationId: user.conversationId,
    clientMessageId: newId(),
    key: user.key,
    text,
    isNew: false,
    messageId: user.id,
    config,
    delivery,
    losses: 0,
    at: Date.now(),
    message: null,
  };
}

/** A letter that another page has kept. Whether the server has taken it is found out by sending it again. */
export function letterFrom({ config, problem, ...kept }: Kept): Letter {
  const delivery = problem === undefined ? "queued" : "failed";
  const isNew = kept.messageId === null;
  const letter: Letter = { ...kept, isNew, config, delivery, losses: 0, message: null };
  const message = isNew && kept.text !== null ? messageOf(letter, kept.text) : null;
  return moved({ ...letter, message }, delivery, problem);
}

function messageOf({ conversationId, clientMessageId, key, at }: Letter, text: string): ChatMessage {
  return {
    id: clientMessageId,
    key,
    conversationId,
    turnId: "",
    role: "user",
    status: "ok",
    ...said(text),
    createdAt: new Date(at),
    clientMessageId,
  };
}

/** The messages of a conversation with what is on its way: old ones as they will be, then new ones. */
export function withLetters(
  messages: readonly ChatMessage[],
  letters: readonly Letter[],
): readonly ChatMessage[] {
  let all = messages;
  for (const letter of letters) if (letter.messageId !== null) all = revised(all, letter);
  const added = letters.flatMap(({ message }) => message ?? []);
  return added.length ? [...all, ...added] : all;
}

function revised(messages: readonly ChatMessage[], letter: Letter): readonly ChatMessage[] {
  const index = messages.findIndex(({ id }) => id === letter.messageId);
  const user = messages[index];
  if (!user) return messages;
  const after = isUnderWay(letter) ? [] : messages.slice(index + 1);
  return [...messages.slice(0, index), rewritten(user, letter), ...after];
}

/** Made once, so that what is shown again is the same object. */
const rewrites = new WeakMap<Letter, { readonly user: ChatMessage; readonly message: ChatMessage }>();

function rewritten(user: ChatMessage, letter: Letter): ChatMessage {
  if (letter.text === null) return user;
  const known = rewrites.get(letter);
  if (known?.user === user) return known.message;
  const message = marked({ ...user, ...said(letter.text) }, letter);
  rewrites.set(letter, { user, message });
  return message;
}

function marked(message: ChatMessage, { delivery, problem }: Letter): ChatMessage {
  const { delivery: _, problem: __, ...plain } = message;
  return {
    ...plain,
    ...(delivery !== "taken" && { delivery }),
    ...(problem !== undefined && { problem }),
  };
}

function newId(): string {
  // Only pages from a safe origin have `randomUUID`; the server may be a plain address in one's own network.
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
