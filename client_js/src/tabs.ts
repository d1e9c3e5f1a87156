import type { ChatClient } from "./chat.js";
import { Listeners } from "./observed.js";

/** What happened to a conversation: it was created, deleted, or given a title. */
export interface News {
  readonly id: string;
  readonly title?: string;
}

const NAME = "tidewire";

/** Other tabs of the same browser. What happens on other devices is found out when the list is asked for again. */
export class OtherTabs {
  #channel: BroadcastChannel | null = null;
  readonly #listeners = new Listeners<[News]>();

  tell(news: News): void {
    this.#channel?.postMessage(news);
  }

  /** Have `listener` called when another tab tells something; meanwhile it is told things, too. */
  listen(listener: (news: News) => void): () => void {
    const remove = this.#listeners.add(listener);
    this.#channel ??= this.#open();
    return () => {
      remove();
      if (this.#listeners.size > 0) return;
      this.#channel?.close();
      this.#channel = null;
    };
  }

  #open(): BroadcastChannel | null {
    if (typeof BroadcastChannel !== "function") return null;
    const channel = new BroadcastChannel(NAME);
    channel.onmessage = ({ data }: MessageEvent<Partial<News> | null>) => {
      const { id, title } = data ?? {};
      // A page of another version may say other things.
      if (typeof id === "string") this.#listeners.call({ id, ...(typeof title === "string" && { title }) });
    };
    return channel;
  }
}

const all = new WeakMap<ChatClient, OtherTabs>();

/** The other tabs, for what shares a client. */
export function otherTabsOf(client: ChatClient): OtherTabs {
  const tabs = all.get(client) ?? new OtherTabs();
  all.set(client, tabs);
  return tabs;
}
