import type {
  Failure,
  Message,
  MessageEvent,
  MessageStatus,
  Part,
  ToolCallPart,
  Usage,
} from "../app-router.js";

/** A message as far as its events have come. */
export interface Folded {
  /** In the order in which they began. A part that an event does not change stays the same object. */
  readonly parts: readonly Part[];
  /** All text, without reasoning and refusals. */
  readonly content: string;
  /** "streaming" until `complete` has come. */
  readonly status: MessageStatus;
  readonly turnId?: string;
  readonly messageId?: string;
  readonly userMessageId?: string;
  readonly clientMessageId?: string;
  readonly model?: string;
  readonly finishReason?: string;
  readonly usage?: Usage;
  readonly error?: Failure;
  /** Provider calls that have ended. */
  readonly round: number;
  /** Arguments of tool calls that have not run yet, as far as they were written, by toolCallId. */
  readonly written: Readonly<Record<string, Written>>;
  /** Whether it began with a message instead of a turn's first event, so that a round may have ended unseen. */
  readonly isResumed: boolean;
}

/** Arguments as far as they were written. */
export interface Written {
  readonly text: string;
  /** Its first character that is no space. Looking for it in a text that grows would copy the text each time. */
  readonly first: string | undefined;
}

const NOTHING_WRITTEN: Written = { text: "", first: undefined };

/** The fold of no events. */
export const EMPTY_FOLD: Folded = {
  parts: [],
  content: "",
  status: "streaming",
  round: 0,
  written: {},
  isResumed: false,
};

/**
 * Fold a turn's events into the answer they describe, by the rules of the server's own fold.
 *
 * Text that follows text of the same kind continues it; a tool call stands where it began. Each provider call ends
 * with its usage, and with it a round. A `snapshot` replaces all that was folded before it.
 */
export function foldEvents(events: Iterable<MessageEvent>): Folded {
  let fold = EMPTY_FOLD;
  for (const event of events) fold = applyEvent(fold, event);
  return fold;
}

/** Take the next event. Gives the same object if the event says nothing about the message. */
export function applyEvent(fold: Folded, event: MessageEvent): Folded {
  switch (event.type) {
    case "start": {
      const { type: _, ...named } = event;
      return { ...EMPTY_FOLD, ...named };
    }
    case "text_delta":
      return { ...grown(fold, "text", event.content), content: fold.content + event.content };
    case "reasoning_delta":
      return grown(fold, "reasoning", event.content);
    case "refusal_delta":
      return grown(fold, "refusal", event.content);
    case "tool_call_start": {
      const { toolCallId, toolName } = event;
      const call: ToolCallPart = { type: "tool_call", toolCallId, toolName, round: fold.round };
      return { ...fold, parts: [...fold.parts, call], written: { ...fold.written, [toolCallId]: NOTHING_WRITTEN } };
    }
    case "tool_call_delta":
      return writtenOn(fold, event.toolCallId, event.argsDelta);
    case "tool_call_complete":
      return completed(fold, event);
    case "usage":
      return { ...fold, round: fold.round + 1 };
    case "snapshot":
      return { ...definedOnly({ userMessageId: fold.userMessageId }), ...foldOf(event.message) };
    case "error": {
      const { code, message, retryable } = event;
      return { ...fold, error: { code, message, retryable } };
    }
    case "complete": {
      const { messageId, status, finishReason, usage } = event;
      return { ...fold, messageId, status, ...definedOnly({ finishReason, usage }) };
    }
    case "title":
    case "stopped":
      return fold;
    default:
      // An event of a newer server.
      event satisfies never;
      return fold;
  }
}

/** Go on folding where a message stands, such as one that `conversations.get` gave in the middle of its turn. */
export function foldOf(message: Message): Folded {
  const { parts, content, status, turnId, clientMessageId, model, finishReason, usage, error } = message;
  const written: Record<string, Written> = {};
  let round = 0;
  for (const part of parts) {
    if (part.type !== "tool_call") continue;
    if (!part.done) written[part.toolCallId] = writtenSo(part.args);
    // A tool runs once its provider call has ended.
    round = Math.max(round, part.done ? part.round + 1 : part.round);
  }
  const known = definedOnly({ clientMessageId, model, finishReason, usage, error });
  return { parts, content, status, turnId, messageId: message.id, round, written, isResumed: true, ...known };
}

/** A message with what was folded of it. */
export function withFold<M extends Message>(message: M, fold: Folded): M {
  const { parts, content, status, finishReason, usage, error } = fold;
  const changed: Partial<Message> = definedOnly({ finishReason, usage, error });
  // Parts are never changed in place; `Message` is not readonly because the server's types are not.
  return { ...message, parts: parts as Part[], content, status, ...changed };
}

function grown(fold: Folded, type: "text" | "reasoning" | "refusal", content: string): Folded {
  const last = fold.parts.at(-1);
  const parts =
    last?.type === type
      ? [...fold.parts.slice(0, -1), { type, content: last.content + content }]
      : [...fold.parts, { type, content }];
  return { ...fold, parts };
}

function writtenOn(fold: Folded, toolCallId: string, piece: string): Folded {
  const before = fold.written[toolCallId] ?? NOTHING_WRITTEN;
  const now = { text: before.text + piece, first: before.first ?? piece.trimStart()[0] };
  const last = piece.trimEnd().at(-1);
  const parts = replaced(fold.parts, toolCallId, ({ args, ...call }) => ({
    ...call,
    // A piece of spaces changes nothing that is whole.
    ...(last === undefined && typeof args !== "string" && args !== undefined ? { args } : partial(now, last)),
  }));
  return { ...fold, parts, written: { ...fold.written, [toolCallId]: now } };
}

function completed(fold: Folded, event: Extract<MessageEvent, { type: "tool_call_complete" }>): Folded {
  const { toolCallId, args, result, isError, durationMs } = event;
  const { [toolCallId]: _, ...written } = fold.written;
  let round = fold.round;
  const parts = replaced(fold.parts, toolCallId, (call) => {
    if (fold.isResumed) round = Math.max(round, call.round + 1);
    return {
      type: "tool_call",
      toolCallId,
      toolName: call.toolName,
      round: call.round,
      ...present({ args, result }),
      ...(isError ? { isError } : {}),
      done: true,
      durationMs,
    };
  });
  return { ...fold, parts, round, written };
}

function replaced(
  parts: readonly Part[],
  toolCallId: string,
  change: (call: ToolCallPart) => ToolCallPart,
): readonly Part[] {
  return parts.map((part) =>
    part.type === "tool_call" && part.toolCallId === toolCallId ? change(part) : part,
  );
}

/** Arguments as far as they were written: JSON if it is whole, else the text so far. */
function partial({ text, first }: Written, last: string | undefined): { args?: unknown } {
  if (!text) return {};
  // Text that grows by the token is parsed only when it may be whole.
  if ((first === "{" && last !== "}") || (first === "[" && last !== "]")) return { args: text };
  if (first === '"' && last !== '"') return { args: text };
  try {
    return present({ args: sendable(JSON.parse(text)) });
  } catch {
    return { args: text };
  }
}

/** Keys that superjson sends in no object. */
const REFUSED = ["__proto__", "prototype", "constructor"] as const;

/** Parsed JSON as it is, or as text if it holds a key that superjson refuses: so the server stores it. */
function sendable(value: unknown): unknown {
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const each = waiting.pop();
    if (typeof each !== "object" || each === null) continue;
    if (REFUSED.some((key) => Object.hasOwn(each, key))) return JSON.stringify(value);
    for (const inner of Object.values(each)) waiting.push(inner);
  }
  return value;
}

/** What was written of arguments that have been parsed since. */
function writtenSo(args: unknown): Written {
  const text = typeof args === "string" ? args : args === undefined ? "" : JSON.stringify(args);
  return { text, first: text.trimStart()[0] };
}

/** Absent is absent, never null: so the server writes messages. */
function present<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null)) as Partial<T>;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function definedOnly<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
