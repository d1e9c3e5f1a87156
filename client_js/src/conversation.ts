import type { AIConfig, Conversation } from "../app-router.js";
import type { ChatClient } from "./chat.js";
import { isAway } from "./connection.js";
import { Calls } from "./conversation/calls.js";
import { Failure } from "./conversation/failure.js";
import { Follower } from "./conversation/follower.js";
import { withLetters } from "./conversation/letters.js";
import { OlderMessages } from "./conversation/older.js";
import { Outgoing } from "./conversation/outgoing.js";
import { Sender } from "./conversation/sender.js";
import { Stopping } from "./conversation/stopping.js";
import { Transcript } from "./conversation/transcript.js";
import { Listeners, type Readable } from "./observed.js";
import type { Activity, ConversationActions, ConversationView } from "./types.js";

/** What `ConversationStore` takes besides a client and an id. */
export interface ConversationOptions {
  /** Messages that are loaded at a time, 50 by default. */
  readonly pageSize?: number;
  /** Is called when the title, or the time it was last written in, has changed. */
  readonly onChange?: (conversation: Conversation) => void;
  /** Is called when nobody has used it for a minute, and nothing waits to be sent. */
  readonly onUnused?: () => void;
}

/** Milliseconds for which a conversation is followed after its last user has left. */
const LINGER = 60_000;

/**
 * A conversation as a page shows it, followed while anybody subscribes.
 *
 * Everything that happens in it comes by one way, `conversations.watch`, whoever begins it: this page, another tab,
 * another device. What is sent from here is shown at once, and taken over by the event that says the server has it.
 */
export class ConversationStore implements Readable<ConversationView> {
  readonly id: string;
  /** What a person can do. They are bound, and stay the same. */
  readonly actions: ConversationActions;

  readonly #client: ChatClient;
  readonly #onUnused: (() => void) | undefined;
  readonly #listeners = new Listeners();
  /** Called by the parts below when what they tell has changed. */
  readonly #changes = new Listeners();
  readonly #failure = new Failure();
  readonly #transcript: Transcript;
  readonly #outgoing: Outgoing;
  readonly #follower: Follower;
  readonly #sender: Sender;
  readonly #stopping: Stopping;
  readonly #older: OlderMessages;
  #view: ConversationView;
  #leaveTimers: ReturnType<typeof setTimeout>[] = [];
  #leaveClient: (() => void) | null = null;

  constructor(client: ChatClient, conversationId: string, options: ConversationOptions = {}) {
    const { pageSize = 50, onChange, onUnused } = options;
    this.id = conversationId;
    this.#client = client;
    this.#onUnused = onUnused;
    const calls = new Calls(client, conversationId, pageSize);
    const transcript = new Transcript(onChange);
    const outgoing = new Outgoing(conversationId, client.outbox);
    const follower = new Follower(calls, transcript, outgoing, this.#changes);
    this.#transcript = transcript;
    this.#outgoing = outgoing;
    this.#follower = follower;
    this.#sender = new Sender(calls, client.connection, outgoing, follower, this.#failure, this.#changes);
    this.#stopping = new Stopping(calls, transcript, outgoing, this.#failure, this.#changes);
    this.#older = new OlderMessages(calls, transcript, this.#failure, this.#changes);
    this.#view = this.#look();
    this.#changes.add(() => this.#onChange());
    this.actions = {
      send: (text, config) => this.#sender.send(text, config),
      retry: (key) => this.#sender.retry(key),
      discard: (key) => this.#sender.discard(key),
      stop: () => this.#stopping.stop(),
      regenerate: (messageId, config) => this.#sendAgain(messageId, null, config),
      edit: (messageId, text, config) => this.#sendAgain(messageId, text, config),
      loadOlder: () => this.#older.load(),
      reload: () => this.#reload(),
      tryAgain: () => this.#tryAgain(),
      dismissProblem: () => this.#dismissProblem(),
    };
    this.#leave();
    if (!this.#outgoing.isEmpty) this.#listen();
  }

  getSnapshot = (): ConversationView => this.#view;

  subscribe = (listener: () => void): (() => void) => {
    const remove = this.#listeners.add(listener);
    this.#enter();
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      remove();
      if (this.#listeners.size === 0) this.#leave();
    };
  };

  /** Take over what was learned elsewhere about the conversation, such as a new title. */
  learn(news: Partial<Conversation>): void {
    this.#transcript.learn(news);
    this.#changes.call();
  }

  /** Send what an earlier page has left, whether or not anybody looks at it. */
  sendWaiting(): void {
    if (this.#outgoing.hasToSend) this.subscribe(() => {})();
  }

  // ---------- coming and going

  #enter(): void {
    this.#leaveTimers.forEach(clearTimeout);
    this.#leaveTimers = [];
    this.#listen();
    this.#follower.follow();
  }

  #leave(): void {
    this.#leaveTimers.forEach(clearTimeout);
    // Browsers open six connections to a server at most, and an event stream is one.
    const isCheap = this.#client.connection.getSnapshot().transport === "websocket";
    this.#leaveTimers = [
      // What waits goes out one by one, and it has to be known when the next one can.
      setTimeout(() => this.#outgoing.hasToSend || this.#follower.unfollow(), isCheap ? LINGER : 0),
      setTimeout(() => {
        if (!this.#outgoing.isEmpty) return this.#leave();
        this.#leaveClient?.();
        this.#leaveClient = null;
        this.#onUnused?.();
      }, LINGER),
    ];
  }

  #listen(): void {
    if (this.#leaveClient) return;
    const { connection, outbox } = this.#client;
    const leaveConnection = connection.subscribe(() => this.#onConnection());
    const leaveOutbox = outbox?.onForgotten((clientMessageId) => this.#sender.forget(clientMessageId));
    this.#leaveClient = () => {
      leaveConnection();
      leaveOutbox?.();
    };
  }

  #onConnection(): void {
    const state = this.#client.connection.getSnapshot();
    if (state.status === "live") {
      this.#follower.resume();
      this.#sender.sendNext();
    } else if (isAway(state)) {
      this.#sender.holdBack();
    }
  }

  // ---------- acting

  #sendAgain(messageId: string, text: string | null, config: AIConfig | undefined): void {
    const question = this.#transcript.questionOf(messageId);
    if (question) this.#sender.sendAgain(question, text, config);
  }

  #reload(): void {
    this.#follower.reload(this.#listeners.size > 0);
  }

  #tryAgain(): void {
    const { repeat } = this.#failure;
    this.#dismissProblem();
    if (repeat) repeat();
    else this.#reload();
  }

  #dismissProblem(): void {
    this.#failure.clear();
    this.#follower.dismissProblem();
    this.#changes.call();
  }

  // ---------- showing

  #onChange(): void {
    // While something is to be sent it has to be known when it can be, though nobody looks.
    if (!this.#outgoing.isEmpty) this.#listen();
    const view = this.#look();
    if (isEqual(view, this.#view)) return;
    this.#view = view;
    this.#listeners.call();
  }

  #look(): ConversationView {
    const messages = withLetters(this.#transcript.messages, this.#outgoing.letters);
    const old = this.#view as ConversationView | undefined;
    const isOld = old?.messages.length === messages.length && old.messages.every((m, i) => m === messages[i]);
    return {
      status: this.#follower.status,
      problem: this.#failure.problem ?? this.#follower.problem,
      conversation: this.#transcript.conversation,
      messages: isOld ? old.messages : messages,
      activity: this.#activity(),
      hasOlder: this.#transcript.cursor !== undefined,
      loadingOlder: this.#older.isLoading,
    };
  }

  #activity(): Activity {
    if (this.#stopping.isUnderWay) return "stopping";
    if (this.#outgoing.isUnderWay) return "sending";
    const { fold } = this.#transcript;
    if (!fold) return "idle";
    return fold.parts.length ? "streaming" : "waiting";
  }
}

function isEqual(view: ConversationView, other: ConversationView): boolean {
  return (Object.keys(view) as (keyof ConversationView)[]).every((name) => view[name] === other[name]);
}
