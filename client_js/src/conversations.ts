import { keepPreviousData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useSyncExternalStore } from "react";

import type { Conversation } from "../app-router.js";
import { useTidewire, useTRPC } from "./context.js";
import { ConversationList } from "./list.js";
import { readable } from "./problems.js";
import { removalsOf } from "./removals.js";
import { storesOf } from "./stores.js";
import { otherTabsOf } from "./tabs.js";

/** What `useConversations` takes. */
export interface ConversationsOptions {
  /** Words to look for in titles and messages. */
  readonly search?: string;
  /** Seconds in which a removal can be undone, 6 by default. */
  readonly undoSeconds?: number;
  /** Conversations that are loaded at a time, 50 by default. */
  readonly pageSize?: number;
}

/** The list of conversations, and what can be done with it. */
export interface Conversations {
  /** The last written in first. */
  readonly conversations: readonly Conversation[];
  /** "loading" also while other words are looked for; what was shown before them stays meanwhile. */
  readonly status: "loading" | "ready" | "failed";
  /** Why they could not be loaded, in words a person may read. */
  readonly problem: string | null;
  /** Load them anew. */
  refetch(): void;
  readonly hasMore: boolean;
  readonly loadingMore: boolean;
  /** Load those that were written in before the ones shown. */
  loadMore(): void;
  /** Start a conversation. Rejects with words a person may read. */
  create(title?: string): Promise<Conversation>;
  /** Rename at once, and take it back if the server refuses; then it rejects with words a person may read. */
  rename(id: string, title: string): Promise<void>;
  /** Hide a conversation at once, and delete it when that can no longer be undone, or the page is left. */
  remove(id: string): void;
  /** Show a removed conversation again. */
  undoRemove(id: string): void;
  /** Those whose removal can still be undone, the last one first. */
  readonly removed: readonly Conversation[];
  /** Why the last one that was removed could not be deleted and is back, in words a person may read. */
  readonly removalProblem: string | null;
}

/** The conversations, all or those in which words were found. */
export function useConversations(options: ConversationsOptions = {}): Conversations {
  const { undoSeconds = 6, pageSize = 50 } = options;
  const search = options.search?.trim() ?? "";
  const client = useTidewire();
  const queries = useQueryClient();
  const trpc = useTRPC();
  const removals = removalsOf(client);
  const { undoable, hidden, problem: removalProblem } = useSyncExternalStore(
    removals.subscribe,
    removals.getSnapshot,
    removals.getSnapshot,
  );
  const query = useInfiniteQuery(
    trpc.conversations.list.infiniteQueryOptions(search ? { limit: pageSize, search } : { limit: pageSize }, {
      getNextPageParam: ({ nextCursor }) => nextCursor,
      placeholderData: keepPreviousData,
    }),
  );
  const { data, isPending, isPlaceholderData, isError, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = query;

  const conversations = useMemo(
    () => data?.pages.flatMap(({ items }) => items).filter(({ id }) => !hidden.has(id)) ?? [],
    [data, hidden],
  );
  const list = useMemo(
    () => new ConversationList(queries, trpc.conversations.list.infiniteQueryKey()),
    [queries, trpc],
  );
  const create = useCallback(
    async (title?: string) => {
      const input = title === undefined ? {} : { title };
      const conversation = await inWords(client.trpc.conversations.create.mutate(input));
      list.add(conversation);
      otherTabsOf(client).tell({ id: conversation.id });
      return conversation;
    },
    [client, list],
  );
  const rename = useCallback(
    async (id: string, title: string) => {
      const store = storesOf(client).peek(id);
      const before = list.find(id)?.title ?? store?.getSnapshot().conversation?.title;
      const show = (now: string): void => {
        list.patch(id, { title: now });
        store?.learn({ title: now });
      };
      show(title);
      try {
        const conversation = await inWords(
          client.trpc.conversations.rename.mutate({ conversationId: id, title }),
        );
        list.take(conversation);
        otherTabsOf(client).tell({ id, title });
      } catch (refusal) {
        if (before !== undefined) show(before);
        else void queries.invalidateQueries({ queryKey: trpc.conversations.list.infiniteQueryKey() });
        throw refusal;
      }
    },
    [client, list, queries, trpc],
  );
  const remove = useCallback(
    (id: string) => {
      const conversation = list.find(id) ?? storesOf(client).peek(id)?.getSnapshot().conversation;
      if (conversation) removals.add(conversation, undoSeconds);
    },
    [client, list, removals, undoSeconds],
  );
  return {
    conversations,
    status: isPending || isPlaceholderData ? "loading" : isError && !data ? "failed" : "ready",
    problem: isError ? readable(error) : null,
    refetch: useCallback(() => void refetch(), [refetch]),
    hasMore: hasNextPage,
    loadingMore: isFetchingNextPage,
    loadMore: useCallback(() => void fetchNextPage(), [fetchNextPage]),
    create,
    rename,
    remove,
    undoRemove: useCallback((id: string) => removals.undo(id), [removals]),
    removed: undoable,
    removalProblem,
  };
}

async function inWords<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw new Error(readable(error), { cause: error });
  }
}
