import type { Conversation } from "../app-router.js";
import type { ChatClient } from "./chat.js";
import { Listeners, type Readable } from "./observed.js";
import { codeOf, readable } from "./problems.js";
import { otherTabsOf } from "./tabs.js";
import { AT_ONCE } from "./urgency.js";

interface Removal {
  readonly conversation: Conversation;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** What became of removals. */
export interface RemovalsView {
  /** Conversations whose removal can still be undone, the last one first. */
  readonly undoable: readonly Conversation[];
  /** Those that are not to be shown: removed, or being removed. */
  readonly hidden: ReadonlySet<string>;
  /** Why one could not be removed. */
  readonly problem: string | null;
}

/** Conversations that were removed, and are deleted once that can no longer be undone. */
export class Removals implements Readable<RemovalsView> {
  readonly #client: ChatClient;
  readonly #listeners = new Listeners();
  readonly #waiting = new Map<string, Removal>();
  readonly #hidden = new Set<string>();
  #view: RemovalsView = { undoable: [], hidden: new Set(), problem: null };

  constructor(client: ChatClient) {
    this.#client = client;
    // The page may be gone before the time is over. What it comes back to is what it left.
    globalThis.addEventListener?.("pagehide", () => this.flush());
    // What the page before this one had removed may not be deleted yet.
    for (const id of taken()) {
      this.#hidden.add(id);
      void this.#send(id);
    }
    this.#view = { ...this.#view, hidden: new Set(this.#hidden) };
  }

  getSnapshot = (): RemovalsView => this.#view;

  subscribe = (listener: () => void): (() => void) => this.#listeners.add(listener);

  /** Remove a conversation in `seconds`. */
  add(conversation: Conversation, seconds: number): void {
    const { id } = conversation;
    if (this.#waiting.has(id)) return;
    this.#hidden.add(id);
    const timer = setTimeout(() => this.#delete(id), seconds * 1_000);
    this.#waiting.set(id, { conversation, timer });
    this.#show(null);
  }

  undo(id: string): void {
    const removal = this.#waiting.get(id);
    if (!removal) return;
    clearTimeout(removal.timer);
    this.#waiting.delete(id);
    this.#hidden.delete(id);
    this.#show(null);
  }

  /** Delete all that wait for it, at once. */
  flush(): void {
    const ids = [...this.#waiting.keys()];
    for (const id of ids) this.#delete(id);
    if (ids.length) leave(ids);
  }

  #delete(id: string): void {
    clearTimeout(this.#waiting.get(id)?.timer);
    this.#waiting.delete(id);
    void this.#send(id);
    this.#show(null);
  }

  async #send(id: string): Promise<void> {
    // Called before anything is awaited: a page that is being left does no more than that.
    const deleted = this.#client.trpc.conversations.delete.mutate(
      { conversationId: id },
      { context: AT_ONCE },
    );
    try {
      await deleted;
      otherTabsOf(this.#client).tell({ id });
    } catch (error) {
      if (codeOf(error) === "NOT_FOUND") return;
      this.#hidden.delete(id);
      this.#show(`The conversation could not be deleted. ${readable(error)}`);
    }
  }

  #show(problem: string | null): void {
    const undoable = [...this.#waiting.values()].map(({ conversation }) => conversation).reverse();
    this.#view = { undoable, hidden: new Set(this.#hidden), problem };
    this.#listeners.call();
  }
}

/** Under which a page leaves the next one in its tab what it has removed. */
const LEFT = "tidewire.removed";

function leave(ids: readonly string[]): void {
  try {
    globalThis.sessionStorage?.setItem(LEFT, JSON.stringify(ids));
  } catch {
    // Pages may be forbidden to store anything; then the list may show for a moment what was removed.
  }
}

function taken(): readonly string[] {
  try {
    const left: unknown = JSON.parse(globalThis.sessionStorage?.getItem(LEFT) ?? "[]");
    globalThis.sessionStorage?.removeItem(LEFT);
    return Array.isArray(left) ? left.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

const all = new WeakMap<ChatClient, Removals>();

/** The removals of a client. */
export function removalsOf(client: ChatClient): Removals {
  const removals = all.get(client) ?? new Removals(client);
  all.set(client, removals);
  return removals;
}
