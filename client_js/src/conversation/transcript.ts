import type { Conversation, ConversationState, Message } from "../../app-router.js";
import type { Folded } from "../fold.js";
import type { ChatMessage } from "../types.js";
import { isAfter, isPlaced, placeOf, type Place, type TrackedEvent } from "./place.js";
import {
  begun,
  continued,
  EMPTY_TIMELINE,
  reachesBefore,
  renewed,
  replacedBy,
  shown,
  written,
  type Sent,
  type Timeline,
} from "./timeline.js";

/** What the server has told of a conversation: its title, its messages, and up to which event. */
export class Transcript {
  readonly #onChange: ((conversation: Conversation) => void) | undefined;
  #conversation: Conversation | null = null;
  #timeline: Timeline = EMPTY_TIMELINE;
  /** The newest event that is in it. */
  #seen: Place | null = null;
  /** Where the messages before the oldest one begin; undefined if there are none. */
  #cursor: string | undefined;

  /** `onChange` is called when the title, or the time it was last written in, has changed. */
  constructor(onChange?: (conversation: Conversation) => void) {
    this.#onChange = onChange;
  }

  get conversation(): Conversation | null {
    return this.#conversation;
  }

  /** Oldest first. */
  get messages(): readonly ChatMessage[] {
    return this.#timeline.messages;
  }

  /** The answer that is being written. */
  get fold(): Folded | null {
    return this.#timeline.fold;
  }

  get cursor(): string | undefined {
    return this.#cursor;
  }

  has(messageId: string): boolean {
    return this.messages.some(({ id }) => id === messageId);
  }

  /** The user's message that a message is, or answers. */
  questionOf(messageId: string): ChatMessage | undefined {
    const index = this.messages.findIndex(({ id }) => id === messageId);
    return this.messages.slice(0, index + 1).findLast(({ role }) => role === "user");
  }

  /** Take over the newest messages. */
  renew({ conversation, messages, nextCursor, upTo }: ConversationState): void {
    if (!reachesBefore(this.#timeline, messages)) this.#cursor = nextCursor;
    this.#timeline = renewed(this.#timeline, messages);
    this.#name(conversation);
    this.#seen = placeOf(upTo);
  }

  /** Take over the messages before the oldest one. */
  prepend(messages: readonly Message[], nextCursor: string | undefined): void {
    const older = messages.filter(({ id }) => !this.has(id)).map(shown);
    this.#timeline = { ...this.#timeline, messages: [...older, ...this.messages] };
    this.#cursor = nextCursor;
  }

  /** Take over what was learned elsewhere, such as a new title. */
  learn(news: Partial<Conversation>): void {
    if (this.#conversation) this.#name({ ...this.#conversation, ...news });
  }

  /** Whether it tells already what an event tells. */
  hasSeen(event: TrackedEvent): boolean {
    return this.#seen !== null && !isAfter(endOf(event), this.#seen);
  }

  /** Take over the next event; false if the server has to be asked first. */
  apply(event: TrackedEvent, sent: Sent | null): boolean {
    const next = this.#after(event, sent);
    if (!next) return false;
    if (event.data.type === "title") this.learn({ title: event.data.title });
    if (event.data.type === "start") this.learn({ updatedAt: new Date() });
    this.#timeline = next;
    this.#seen = endOf(event);
    return true;
  }

  /** Put what was applied of the answer that is being written into its message. */
  write(): void {
    this.#timeline = written(this.#timeline);
  }

  #after(event: TrackedEvent, sent: Sent | null): Timeline | null {
    const { data } = event;
    switch (data.type) {
      case "title":
        return this.#timeline;
      case "start":
        return begun(written(this.#timeline), data, sent);
      case "snapshot":
        // Comes after a gap: what else was missed has to be asked for. The last one has a place in the log.
        return isPlaced(event) ? replacedBy(written(this.#timeline), data) : null;
      default:
        return continued(this.#timeline, data);
    }
  }

  #name(conversation: Conversation): void {
    const old = this.#conversation;
    if (old?.title === conversation.title && old?.updatedAt.getTime() === conversation.updatedAt.getTime()) {
      return;
    }
    this.#conversation = conversation;
    this.#onChange?.(conversation);
  }
}

/** The last event that an event tells. */
function endOf({ id, data }: TrackedEvent): Place {
  return placeOf(data.type === "snapshot" ? data.upTo : id);
}
