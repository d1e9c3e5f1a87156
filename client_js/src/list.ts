import { matchQuery, type InfiniteData, type QueryClient, type QueryKey } from "@tanstack/react-query";

import type { Conversation, Page } from "../app-router.js";

type Pages = InfiniteData<Page<Conversation>>;

/** The lists of conversations in the query cache, whatever they were searched for. */
export class ConversationList {
  readonly #queries: QueryClient;
  readonly #key: QueryKey;

  constructor(queries: QueryClient, key: QueryKey) {
    this.#queries = queries;
    this.#key = key;
  }

  /** Have `listener` called with each conversation that the server has just told of. */
  onFetched(listener: (conversation: Conversation) => void): () => void {
    return this.#queries.getQueryCache().subscribe((event) => {
      if (event.type !== "updated" || event.action.type !== "success" || event.action.manual) return;
      if (!matchQuery({ queryKey: this.#key }, event.query)) return;
      const { pages } = event.query.state.data as Pages;
      for (const { items } of pages) items.forEach(listener);
    });
  }

  /** Ask for all that is shown again. */
  renew(): void {
    void this.#queries.invalidateQueries({ queryKey: this.#key });
  }

  /** Put a new conversation first. */
  add(conversation: Conversation): void {
    this.#change((items, isFirst) => (isFirst ? [conversation, ...without(items, conversation.id)] : items));
    this.renew();
  }

  /** Give a conversation its newest title and time; the last written in is the first. */
  take(conversation: Conversation): void {
    if (!this.find(conversation.id)) {
      this.renew();
      return;
    }
    this.patch(conversation.id, conversation);
    this.#each((pages) => {
      const all = pages.pages.flatMap(({ items }) => items);
      const index = all.findIndex(({ id }) => id === conversation.id);
      const isInOrder = all.every((item, i) => i === 0 || all[i - 1]!.updatedAt >= item.updatedAt);
      if (index < 0 || isInOrder) return pages;
      const sorted = all.toSorted((a, b) => b.updatedAt.getTime() - a.updatedAt.getTime());
      let from = 0;
      return {
        ...pages,
        pages: pages.pages.map((page) => {
          const to = from + page.items.length;
          const items = sorted.slice(from, to);
          from = to;
          return { ...page, items };
        }),
      };
    });
  }

  /** Change a conversation where it stands. */
  patch(id: string, change: Partial<Conversation>): void {
    this.#change((items) => items.map((item) => (item.id === id ? { ...item, ...change } : item)));
  }

  /** Take a conversation out. */
  remove(id: string): void {
    this.#change((items) => without(items, id));
  }

  find(id: string): Conversation | undefined {
    for (const [, pages] of this.#queries.getQueriesData<Pages>({ queryKey: this.#key })) {
      for (const page of pages?.pages ?? []) {
        const found = page.items.find((item) => item.id === id);
        if (found) return found;
      }
    }
    return undefined;
  }

  #change(change: (items: Conversation[], isFirst: boolean) => Conversation[]): void {
    this.#each((pages) => ({
      ...pages,
      pages: pages.pages.map((page, index) => ({ ...page, items: change(page.items, index === 0) })),
    }));
  }

  #each(change: (pages: Pages) => Pages): void {
    this.#queries.setQueriesData<Pages>({ queryKey: this.#key }, (pages) => pages && change(pages));
  }
}

function without(items: Conversation[], id: string): Conversation[] {
  return items.filter((item) => item.id !== id);
}
