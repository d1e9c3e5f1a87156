import type { MessageEvent } from "../../app-router.js";
import { Frame } from "../frames.js";
import { Listeners } from "../observed.js";
import { codeOf, isRetryable, problemOf } from "../problems.js";
import type { ConversationProblem, ConversationView } from "../types.js";
import { Backlog } from "./backlog.js";
import type { Calls } from "./calls.js";
import type { Letter } from "./letters.js";
import type { Outgoing } from "./outgoing.js";
import type { TrackedEvent } from "./place.js";
import { Retry } from "./retry.js";
import { Subscription } from "./subscription.js";
import type { Transcript } from "./transcript.js";

/**
 * Loads a conversation, then follows its log, and writes both into the transcript.
 *
 * From "loading" it comes to "ready", "failed" or "missing". What has failed is tried again, and may come to any of them;
 * what is ready stays so unless it goes missing. An event that cannot be placed has all loaded anew; those after it wait.
 */
export class Follower {
  /** Called after what has come was taken over. */
  readonly drained = new Listeners();

  readonly #calls: Calls;
  readonly #transcript: Transcript;
  readonly #outgoing: Outgoing;
  readonly #changes: Listeners;
  readonly #backlog = new Backlog();
  readonly #frame = new Frame(() => this.#drain());
  readonly #retry = new Retry(() => this.#begin());
  #isFollowing = false;
  #isLoading = false;
  #watching: Subscription | null = null;
  #status: ConversationView["status"] = "loading";
  #problem: ConversationProblem | null = null;

  constructor(calls: Calls, transcript: Transcript, outgoing: Outgoing, changes: Listeners) {
    this.#calls = calls;
    this.#transcript = transcript;
    this.#outgoing = outgoing;
    this.#changes = changes;
  }

  get status(): ConversationView["status"] {
    return this.#status;
  }

  /** Why it cannot be loaded or followed. */
  get problem(): ConversationProblem | null {
    return this.#problem;
  }

  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  /** Whether no answer is known to be in the way of the next one. */
  get isFree(): boolean {
    // What the page before this one has left may be in the way of an answer that is not known yet.
    const isKnown = this.#status === "ready" || !this.#isFollowing;
    return isKnown && !this.#transcript.fold;
  }

  follow(): void {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    this.#begin();
  }

  unfollow(): void {
    this.#isFollowing = false;
    this.#watching?.end();
    this.#watching = null;
    this.#retry.cancel();
  }

  /** Try at once what would be tried later: the connection is back. */
  resume(): void {
    if (this.#retry.isWaiting) this.#begin();
  }

  /** Begin again, unless all is well or on its way; then follow if anybody is there. */
  reload(isUsed: boolean): void {
    if (this.#status === "loading" || (this.#status === "ready" && this.#watching)) return;
    if (this.#status !== "ready") this.#status = "loading";
    this.#problem = null;
    this.#retry.reset();
    this.#isFollowing = isUsed;
    this.#changes.call();
    this.#begin();
  }

  dismissProblem(): void {
    this.#problem = null;
  }

  /** See to it that a turn is shown whose first event has come to whoever asked for it. */
  catchUp(first: MessageEvent): void {
    // It was answered before, and its beginning has been seen, or is no longer told.
    if (first.type !== "start" || this.#transcript.has(first.messageId)) void this.#load();
  }

  /** Load if that is needed, then follow. */
  #begin(): void {
    this.#retry.cancel();
    if (!this.#isFollowing || this.#status === "missing") return;
    // What has come and could not be placed still waits for that.
    if (this.#status !== "ready" || this.#backlog.isStuck) void this.#load();
    else this.#watch();
  }

  /** Ask for the newest messages, take them over, and go on with the events after them. */
  async #load(): Promise<void> {
    if (this.#isLoading) return;
    this.#isLoading = true;
    // What the server has taken by now is in its answer, or was deleted again.
    const taken = this.#outgoing.letters.filter(({ delivery }) => delivery === "taken");
    const ended = new Set(taken.map(({ clientMessageId }) => clientMessageId));
    try {
      const state = await this.#calls.get();
      this.#retry.reset();
      this.#transcript.renew(state);
      for (const { clientMessageId } of state.messages) if (clientMessageId) ended.add(clientMessageId);
      this.#drop(this.#outgoing.letters.filter(({ clientMessageId }) => ended.has(clientMessageId)));
      this.#backlog.answer(state.upTo);
      this.#problem = null;
      this.#status = "ready";
    } catch (error) {
      this.#isLoading = false;
      this.#fail(error);
      return;
    }
    this.#isLoading = false;
    if (this.#isFollowing) this.#watch();
    this.#drain();
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = new Subscription({
      onStarted: () => this.#onStarted(),
      onData: (event) => {
        this.#backlog.add(event);
        this.#frame.request();
      },
      onError: (error) => {
        this.#watching = null;
        this.#fail(error);
      },
      onComplete: () => {
        this.#watching = null;
        this.#later();
      },
    });
    this.#watching.open((observer) => this.#calls.watch(this.#backlog.lastEventId, observer));
  }

  #onStarted(): void {
    if (!this.#retry.hasFailed) return;
    this.#retry.reset();
    this.#problem = null;
    this.#changes.call();
  }

  /** Say that loading or following has failed, and try again later if that may help. */
  #fail(error: unknown): void {
    this.#problem = problemOf(error);
    if (codeOf(error) === "NOT_FOUND") {
      this.#status = "missing";
      this.#drop(this.#outgoing.letters);
      this.unfollow();
    } else {
      if (this.#status !== "ready") this.#status = "failed";
      if (isRetryable(error)) this.#later();
    }
    this.#changes.call();
  }

  #later(): void {
    if (this.#isFollowing) this.#retry.later();
  }

  /** Apply what has come, up to an event that cannot be placed; then the server is asked. */
  #drain(): void {
    if (this.#isLoading || this.#status !== "ready") return;
    const isToBeAsked = this.#backlog.drain((event) => this.#transcript.hasSeen(event) || this.#apply(event));
    this.#transcript.write();
    this.#changes.call();
    this.drained.call();
    if (isToBeAsked) void this.#load();
  }

  #apply(event: TrackedEvent): boolean {
    const { data } = event;
    const letter = data.type === "start" ? this.#outgoing.find(data.clientMessageId) : undefined;
    if (!this.#transcript.apply(event, letter ?? null)) return false;
    if (letter) this.#outgoing.drop(letter);
    return true;
  }

  #drop(letters: readonly Letter[]): void {
    for (const letter of letters) this.#outgoing.drop(letter);
  }
}
