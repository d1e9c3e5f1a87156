import type { TRPCClient } from "@trpc/client";
import type { Unsubscribable } from "@trpc/server/observable";

import type { AIConfig, AppRouter, Conversation, MessageEvent } from "../app-router.js";
import type { ConnectionStore } from "./connection.js";
import { Frame } from "./frames.js";
import { Listeners, type Readable } from "./observed.js";
import { letterAbout, moved, newLetter, withLetters, type Letter } from "./letters.js";
import type { Outbox } from "./outbox.js";
import { codeOf, isLoss, isRetryable, readable } from "./problems.js";
import {
  begun,
  continued,
  EMPTY_TIMELINE,
  reachesBefore,
  renewed,
  replacedBy,
  shown,
  written,
  type Timeline,
} from "./timeline.js";
import type {
  Activity,
  ConversationActions,
  ConversationProblem,
  ConversationView,
} from "./types.js";
import { AT_ONCE } from "./urgency.js";

/** What conversations need of a client: the chat server's procedures, whatever else its router has. */
export interface ChatClient {
  readonly trpc: Pick<TRPCClient<AppRouter>, "conversations">;
  readonly connection: ConnectionStore;
  /** Keeps what the server has not taken yet, over reloads. */
  readonly outbox?: Outbox;
}

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

/** Milliseconds that a query may take. */
const QUERY_TIMEOUT = 20_000;

/** Attempts to send a message while the server seems to be there, but cannot be reached. */
const MAX_LOSSES = 3;

/** Milliseconds between two attempts to load or follow, growing. */
const pauseAfter = (failures: number): number => Math.min(30_000, 1_000 * 2 ** (failures - 1));

/** Where an event is in a conversation's log: `<epoch>.<number>`. */
interface Place {
  readonly epoch: string;
  readonly number: number;
}

/** An event that has come. */
interface Incoming {
  readonly id: string;
  readonly event: MessageEvent;
}

/** The epoch of snapshots that are not the last of several. */
const NOWHERE = "nowhere";

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
  readonly #options: ConversationOptions;
  readonly #listeners = new Listeners();
  readonly #frame = new Frame(() => this.#drain());
  readonly #sending = new Map<string, () => void>();
  readonly #waiters = new Set<{ readonly is: () => boolean; readonly resolve: () => void }>();

  #timeline: Timeline = EMPTY_TIMELINE;
  #letters: readonly Letter[] = [];
  #conversation: Conversation | null = null;
  #status: ConversationView["status"] = "loading";
  /** Why an action failed. */
  #problem: ConversationProblem | null = null;
  /** Does that action once more. */
  #repeat: (() => void) | null = null;
  /** Why it cannot be loaded or followed. */
  #trouble: ConversationProblem | null = null;
  #cursor: string | undefined;
  #isLoadingOlder = false;
  #stopping: Promise<void> | null = null;
  #view: ConversationView;

  /** Events that have come, and are not applied yet. */
  #incoming: Incoming[] = [];
  /** The event that the server is asked about. */
  #unplaced: Incoming | null = null;
  /** The event that the server was asked about, and has told what there is to know. */
  #answered: Incoming | null = null;
  /** The newest event that is shown. */
  #seen: Place | null = null;
  /** The newest event that has come. */
  #lastEventId: string | null = null;
  #isFollowed = false;
  #isGetting = false;
  #watching: (() => void) | null = null;
  #failures = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #leaveTimers: ReturnType<typeof setTimeout>[] = [];
  #leaveConnection: (() => void) | null = null;
  #leaveOutbox: (() => void) | null = null;

  constructor(client: ChatClient, conversationId: string, options: ConversationOptions = {}) {
    this.id = conversationId;
    this.#client = client;
    this.#options = options;
    this.#letters = client.outbox?.of(conversationId) ?? [];
    this.#view = this.#look();
    this.actions = {
      send: (text, config) => this.#send(text, config),
      retry: (key) => this.#retry(key),
      discard: (key) => this.#discard(key),
      stop: () => this.#stop(),
      regenerate: (messageId, config) => this.#again(messageId, null, config),
      edit: (messageId, text, config) => this.#again(messageId, text, config),
      loadOlder: () => this.#loadOlder(),
      reload: () => this.#reload(),
      tryAgain: () => this.#tryAgain(),
      dismissProblem: () => this.#dismissProblem(),
    };
    this.#leave();
    if (this.#letters.length) this.#listen();
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
    if (this.#conversation) this.#name({ ...this.#conversation, ...news });
    this.#show();
  }

  /** Send what an earlier page has left, whether or not anybody looks at it. */
  sendWaiting(): void {
    if (this.#letters.some(isToBeSent)) this.subscribe(() => {})();
  }

  // ---------- coming and going

  #enter(): void {
    this.#leaveTimers.forEach(clearTimeout);
    this.#leaveTimers = [];
    this.#listen();
    if (this.#isFollowed) return;
    this.#isFollowed = true;
    this.#begin();
  }

  #listen(): void {
    this.#leaveConnection ??= this.#client.connection.subscribe(() => this.#onConnection());
    this.#leaveOutbox ??= this.#client.outbox?.onForgotten((id) => this.#onForgotten(id)) ?? null;
  }

  #leave(): void {
    this.#leaveTimers.forEach(clearTimeout);
    // Browsers open six connections to a server at most, and an event stream is one.
    const isCheap = this.#client.connection.getSnapshot().transport === "websocket";
    this.#leaveTimers = [
      // What waits goes out one by one, and it has to be known when the next one can.
      setTimeout(() => this.#letters.some(isToBeSent) || this.#unfollow(), isCheap ? LINGER : 0),
      setTimeout(() => {
        if (this.#letters.length) return this.#leave();
        this.#leaveConnection?.();
        this.#leaveOutbox?.();
        this.#leaveConnection = this.#leaveOutbox = null;
        this.#options.onUnused?.();
      }, LINGER),
    ];
  }

  #unfollow(): void {
    this.#isFollowed = false;
    this.#watching?.();
    this.#watching = null;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
  }

  #onConnection(): void {
    const { status } = this.#client.connection.getSnapshot();
    if (status === "live") {
      if (this.#retryTimer !== undefined) {
        this.#begin();
      }
      this.#sendNext();
    } else if (status === "offline" || status === "reconnecting") {
      for (const { clientMessageId, delivery } of this.#letters) {
        if (delivery === "pending") this.#put(clientMessageId, "queued");
      }
      this.#show();
    }
  }

  // ---------- loading and following

  /** Load if that is needed, then follow. */
  #begin(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    if (!this.#isFollowed || this.#status === "missing") return;
    // What has come and could not be placed still waits for that.
    if (this.#status !== "ready" || this.#unplaced !== null) void this.#get();
    else this.#watch();
  }

  #reload(): void {
    if (this.#status === "loading" || (this.#status === "ready" && this.#watching)) return;
    if (this.#status !== "ready") this.#status = "loading";
    this.#trouble = null;
    this.#failures = 0;
    this.#isFollowed = this.#listeners.size > 0;
    this.#show();
    this.#begin();
  }

  #tryAgain(): void {
    const repeat = this.#repeat;
    this.#dismissProblem();
    if (repeat) repeat();
    else this.#reload();
  }

  #dismissProblem(): void {
    this.#problem = this.#trouble = this.#repeat = null;
    this.#show();
  }

  /** Ask for the newest messages, take them over, and go on with the events after them. */
  async #get(): Promise<void> {
    if (this.#isGetting) return;
    this.#isGetting = true;
    const taken = new Set(this.#letters.filter(isTaken).map(({ clientMessageId }) => clientMessageId));
    try {
      const state = await this.#client.trpc.conversations.get.query(
        { conversationId: this.id, limit: this.#options.pageSize ?? 50 },
        { context: AT_ONCE, signal: AbortSignal.timeout(QUERY_TIMEOUT) },
      );
      this.#failures = 0;
      const { messages } = state;
      if (!reachesBefore(this.#timeline, messages)) this.#cursor = state.nextCursor;
      this.#timeline = renewed(this.#timeline, messages);
      this.#name(state.conversation);
      this.#seen = placeOf(state.upTo);
      const last = this.#lastEventId === null ? null : placeOf(this.#lastEventId);
      if (!last || !isAfter(last, this.#seen)) this.#lastEventId = state.upTo;
      const sent = new Set(messages.flatMap(({ clientMessageId }) => clientMessageId ?? []));
      for (const { clientMessageId } of this.#letters) {
        if (sent.has(clientMessageId) || taken.has(clientMessageId)) this.#drop(clientMessageId);
      }
      this.#answered = this.#unplaced;
      this.#trouble = null;
      this.#status = "ready";
    } catch (error) {
      this.#isGetting = false;
      this.#fail(error);
      return;
    }
    this.#isGetting = false;
    if (this.#isFollowed) this.#watch();
    this.#drain();
  }

  #watch(): void {
    if (this.#watching) return;
    let isOver = false;
    const over = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.#watching = null;
      return true;
    };
    const subscription = this.#client.trpc.conversations.watch.subscribe(
      { conversationId: this.id, lastEventId: this.#lastEventId },
      {
        onStarted: () => {
          if (this.#failures === 0) return;
          this.#failures = 0;
          this.#trouble = null;
          this.#show();
        },
        onData: ({ id, data }) => {
          if (isOver) return;
          if (placeOf(id).epoch !== NOWHERE) this.#lastEventId = id;
          this.#incoming.push({ id, event: data });
          this.#frame.request();
        },
        onError: (error) => over() && this.#fail(error),
        // The server is being shut down, or the client was closed.
        onComplete: () => over() && this.#later(),
      },
    );
    // It may have failed already.
    if (isOver) return;
    this.#watching = () => {
      isOver = true;
      subscription.unsubscribe();
    };
  }

  /** Say that loading or following has failed, and try again later if that may help. */
  #fail(error: unknown): void {
    if (codeOf(error) === "NOT_FOUND") {
      this.#status = "missing";
      for (const { clientMessageId } of this.#letters) this.#drop(clientMessageId);
      this.#trouble = { message: readable(error), retryable: false };
      this.#unfollow();
    } else {
      if (this.#status !== "ready") this.#status = "failed";
      this.#trouble = { message: readable(error), retryable: isRetryable(error) };
      if (isRetryable(error)) this.#later();
    }
    this.#show();
  }

  #later(): void {
    if (!this.#isFollowed) return;
    this.#failures += 1;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#begin(), pauseAfter(this.#failures));
  }

  // ---------- events

  /** Apply what has come, up to an event that cannot be placed; then the server is asked. */
  #drain(): void {
    if (this.#isGetting || this.#status !== "ready") return;
    let stuck: Incoming | null = null;
    let done = 0;
    for (const incoming of this.#incoming) {
      if (!this.#apply(incoming) && this.#answered !== incoming) {
        stuck = incoming;
        break;
      }
      done += 1;
    }
    const isNew = stuck !== null && stuck !== this.#unplaced;
    this.#unplaced = stuck;
    this.#incoming = this.#incoming.slice(done);
    this.#timeline = written(this.#timeline);
    this.#show();
    this.#sendNext();
    if (isNew) void this.#get();
  }

  /** Apply an event; false if the server has to be asked first. */
  #apply({ id, event }: Incoming): boolean {
    const place = placeOf(event.type === "snapshot" ? event.upTo : id);
    if (this.#seen && !isAfter(place, this.#seen)) return true;
    let next: Timeline | null;
    switch (event.type) {
      case "title":
        if (this.#conversation) this.#name({ ...this.#conversation, title: event.title });
        next = this.#timeline;
        break;
      case "start": {
        const letter = this.#letters.find(({ clientMessageId }) => clientMessageId === event.clientMessageId);
        next = begun(written(this.#timeline), event, letter ?? null);
        if (next && letter) this.#drop(letter.clientMessageId);
        if (next && this.#conversation) this.#name({ ...this.#conversation, updatedAt: new Date() });
        break;
      }
      case "snapshot":
        // Comes after a gap: what else was missed has to be asked for. The last one has a place in the log.
        next = placeOf(id).epoch === NOWHERE ? null : replacedBy(written(this.#timeline), event);
        break;
      default:
        next = continued(this.#timeline, event);
    }
    if (!next) return false;
    this.#timeline = next;
    this.#seen = place;
    return true;
  }

  #name(conversation: Conversation): void {
    const old = this.#conversation;
    if (old?.title === conversation.title && old?.updatedAt.getTime() === conversation.updatedAt.getTime()) {
      return;
    }
    this.#conversation = conversation;
    this.#options.onChange?.(conversation);
  }

  // ---------- sending

  #send(text: string, config: AIConfig | undefined): void {
    if (!text.trim()) return;
    this.#post(newLetter(this.id, text, config, this.#firstDelivery()));
  }

  #again(messageId: string, text: string | null, config: AIConfig | undefined): void {
    const { messages } = this.#timeline;
    const index = messages.findIndex(({ id }) => id === messageId);
    const user = messages.slice(0, index + 1).findLast(({ role }) => role === "user");
    if (!user || (text !== null && !text.trim())) return;
    // A newer wish takes the place of an older one.
    for (const letter of this.#letters) if (letter.messageId === user.id) this.#drop(letter.clientMessageId);
    this.#post(letterAbout(user, text, config, this.#firstDelivery()));
  }

  #firstDelivery(): "queued" | "pending" {
    const { status } = this.#client.connection.getSnapshot();
    const isAway = status === "offline" || status === "reconnecting";
    return isAway || this.#letters.some(({ delivery }) => delivery === "queued") ? "queued" : "pending";
  }

  #post(letter: Letter): void {
    this.#listen();
    this.#letters = [...this.#letters, letter];
    this.#client.outbox?.keep(letter);
    this.#show();
    if (letter.delivery === "pending") this.#transmit(letter);
    else this.#sendNext();
  }

  #retry(key: string): void {
    const letter = this.#letters.find((each) => each.key === key && each.delivery === "failed");
    if (!letter) return;
    const again = this.#put(letter.clientMessageId, this.#firstDelivery());
    this.#show();
    if (again?.delivery === "pending") this.#transmit(again);
  }

  #discard(key: string): void {
    const letter = this.#letters.find(
      (each) => each.key === key && (each.delivery === "failed" || each.delivery === "queued"),
    );
    if (!letter) return;
    this.#drop(letter.clientMessageId);
    this.#show();
  }

  /** Send what has waited for the network, one after the other, for the server answers one at a time. */
  #sendNext(): void {
    const isLive = this.#client.connection.getSnapshot().status === "live";
    // What the page before this one has left may be in the way of an answer that is not known yet.
    const isKnown = this.#status === "ready" || !this.#isFollowed;
    if (!isLive || !isKnown || this.#timeline.fold || this.#letters.some(isUnderWay)) return;
    const letter = this.#letters.find(({ delivery }) => delivery === "queued");
    const next = letter && this.#put(letter.clientMessageId, "pending");
    if (!next) return;
    this.#show();
    this.#transmit(next);
  }

  /** Follow a turn until its first event: that says that the server has what was sent. */
  #transmit({ clientMessageId, text, messageId, config }: Letter): void {
    let isOver = false;
    // What fails at once does so before there is one.
    let subscription: Unsubscribable | undefined;
    const over = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.#sending.delete(clientMessageId);
      subscription?.unsubscribe();
      return true;
    };
    const observer = {
      onData: ({ data }: { data: MessageEvent }) => over() && this.#take(clientMessageId, data),
      onError: (error: unknown) => over() && this.#bounce(clientMessageId, error),
      onComplete: () => over() && this.#bounce(clientMessageId, null),
    };
    const { conversations } = this.#client.trpc;
    const about = { conversationId: this.id, clientMessageId, ...(config && { config }) };
    subscription =
      messageId === null
        ? conversations.streamMessage.subscribe({ ...about, message: text ?? "" }, observer)
        : conversations.regenerate.subscribe({ ...about, messageId, message: text }, observer);
    if (isOver) subscription.unsubscribe();
    else this.#sending.set(clientMessageId, over);
  }

  #take(clientMessageId: string, event: MessageEvent): void {
    if (!this.#put(clientMessageId, "taken")) return;
    this.#show();
    if (!this.#isFollowed) {
      // It is there when somebody comes back.
      this.#drop(clientMessageId);
    } else if (event.type !== "start" || this.#timeline.messages.some(({ id }) => id === event.messageId)) {
      // It was answered before, and its beginning has been seen, or is no longer told.
      void this.#get();
    }
  }

  #bounce(clientMessageId: string, error: unknown): void {
    const letter = this.#letters.find((each) => each.clientMessageId === clientMessageId);
    if (!letter) return;
    if (isLoss(error) && letter.losses < MAX_LOSSES) {
      const losses = letter.losses + 1;
      this.#letters = this.#letters.map((each) => (each === letter ? { ...letter, losses } : each));
      this.#put(clientMessageId, "queued");
      this.#show();
      this.#sendNext();
      return;
    }
    const problem = readable(error);
    if (letter.text === null) {
      this.#drop(clientMessageId);
      this.#problem = { message: problem, retryable: false };
      this.#repeat = null;
    } else {
      this.#put(clientMessageId, "failed", problem);
    }
    this.#show();
    this.#sendNext();
  }

  #put(clientMessageId: string, delivery: Letter["delivery"], problem?: string): Letter | null {
    const letter = this.#letters.find((each) => each.clientMessageId === clientMessageId);
    if (!letter) return null;
    if (delivery !== "pending") this.#sending.get(clientMessageId)?.();
    const next = moved(letter, delivery, problem);
    this.#letters = this.#letters.map((each) => (each.clientMessageId === clientMessageId ? next : each));
    this.#client.outbox?.keep(next);
    return next;
  }

  #drop(clientMessageId: string): void {
    this.#sending.get(clientMessageId)?.();
    this.#letters = this.#letters.filter((each) => each.clientMessageId !== clientMessageId);
    this.#client.outbox?.forget(this.id, clientMessageId);
  }

  /** Another tab that had it, too, has sent it or given it up. */
  #onForgotten(clientMessageId: string): void {
    const letter = this.#letters.find((each) => each.clientMessageId === clientMessageId);
    if (!letter || isUnderWay(letter)) return;
    this.#drop(clientMessageId);
    this.#show();
  }

  // ---------- stopping, and older messages

  #stop(): Promise<void> {
    const isBusy = this.#timeline.fold !== null || this.#letters.some(isUnderWay);
    if (!isBusy) return Promise.resolve();
    this.#problem = this.#repeat = null;
    this.#stopping ??= this.#stopTurn().finally(() => {
      this.#stopping = null;
      this.#show();
    });
    this.#show();
    return this.#stopping;
  }

  async #stopTurn(): Promise<void> {
    // Before the server has the message there is nothing to stop.
    await this.#until(() => !this.#letters.some(isUnderWay));
    const turn = this.#timeline.fold?.turnId;
    if (turn === undefined) return;
    try {
      const { stopped } = await this.#client.trpc.conversations.stop.mutate(
        { conversationId: this.id },
        { context: AT_ONCE, signal: AbortSignal.timeout(QUERY_TIMEOUT) },
      );
      if (stopped) await this.#until(() => this.#timeline.fold?.turnId !== turn);
    } catch (error) {
      this.#problem = { message: readable(error), retryable: isRetryable(error) };
      this.#repeat = () => void this.#stop();
    }
  }

  async #loadOlder(): Promise<void> {
    const cursor = this.#cursor;
    if (cursor === undefined || this.#isLoadingOlder) return;
    this.#isLoadingOlder = true;
    this.#problem = this.#repeat = null;
    this.#show();
    try {
      const page = await this.#client.trpc.conversations.get.query(
        { conversationId: this.id, limit: this.#options.pageSize ?? 50, cursor },
        { context: AT_ONCE, signal: AbortSignal.timeout(QUERY_TIMEOUT) },
      );
      // Meanwhile all may have been loaded anew.
      if (this.#cursor === cursor) {
        const known = new Set(this.#timeline.messages.map(({ id }) => id));
        const older = page.messages.filter(({ id }) => !known.has(id)).map(shown);
        this.#timeline = { ...this.#timeline, messages: [...older, ...this.#timeline.messages] };
        this.#cursor = page.nextCursor;
      }
    } catch (error) {
      this.#problem = { message: readable(error), retryable: true };
      this.#repeat = () => void this.#loadOlder();
    }
    this.#isLoadingOlder = false;
    this.#show();
  }

  // ---------- showing

  #show(): void {
    const view = this.#look();
    if (!isEqual(view, this.#view)) {
      this.#view = view;
      this.#listeners.call();
    }
    for (const waiter of this.#waiters) {
      if (!waiter.is()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #look(): ConversationView {
    const messages = withLetters(this.#timeline.messages, this.#letters);
    const old = this.#view as ConversationView | undefined;
    const isOld = old?.messages.length === messages.length && old.messages.every((m, i) => m === messages[i]);
    return {
      status: this.#status,
      problem: this.#problem ?? this.#trouble,
      conversation: this.#conversation,
      messages: isOld ? old.messages : messages,
      activity: this.#activity(),
      hasOlder: this.#cursor !== undefined,
      loadingOlder: this.#isLoadingOlder,
    };
  }

  #activity(): Activity {
    if (this.#stopping) return "stopping";
    if (this.#letters.some(isUnderWay)) return "sending";
    const { fold } = this.#timeline;
    if (!fold) return "idle";
    return fold.parts.length ? "streaming" : "waiting";
  }

  #until(is: () => boolean): Promise<void> {
    if (is()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.add({ is, resolve }));
  }
}

const isTaken = ({ delivery }: Letter): boolean => delivery === "taken";

const isToBeSent = ({ delivery }: Letter): boolean => delivery !== "failed";

const isUnderWay = ({ delivery }: Letter): boolean => delivery === "pending" || delivery === "taken";

function placeOf(id: string): Place {
  const dot = id.lastIndexOf(".");
  return { epoch: id.slice(0, dot), number: Number(id.slice(dot + 1)) };
}

/** Whether a place is after another. In a log that was begun anew, all are. */
function isAfter(place: Place, other: Place): boolean {
  return place.epoch !== other.epoch || place.number > other.number;
}

function isEqual(view: ConversationView, other: ConversationView): boolean {
  return (Object.keys(view) as (keyof ConversationView)[]).every((name) => view[name] === other[name]);
}
