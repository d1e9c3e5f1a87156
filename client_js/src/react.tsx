import { QueryClient, QueryClientProvider, useQuery, useQueryClient } from "@tanstack/react-query";
import {
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
  type ReactNode,
} from "react";

import type { ModelInfo, ToolInfo } from "../app-router.js";
import type { TidewireClient } from "./client.js";
import { isAway } from "./connection.js";
import { TidewireContext, TRPCProvider, useTidewire, useTRPC } from "./context.js";
import { ConversationList } from "./list.js";
import { isRetryable } from "./problems.js";
import { conversationStore, storesOf } from "./stores.js";
import { otherTabsOf } from "./tabs.js";
import type { ConnectionState, ConversationActions, ConversationView } from "./types.js";

export { useConversations, type Conversations, type ConversationsOptions } from "./conversations.js";

export { useTidewire, useTRPC };

/** What `TidewireProvider` takes. */
export interface TidewireProviderProps {
  readonly client: TidewireClient;
  /** Your own, if the page has one. */
  readonly queryClient?: QueryClient;
  readonly children?: ReactNode;
}

/** Gives the components below it a client, and a query client with `useTRPC` on it. */
export function TidewireProvider({ client, queryClient, children }: TidewireProviderProps): ReactNode {
  const [own] = useState(() => queryClient ?? newQueryClient());
  const queries = queryClient ?? own;
  return (
    <QueryClientProvider client={queries}>
      <TRPCProvider trpcClient={client.trpc} queryClient={queries}>
        <TidewireContext.Provider value={client}>
          {children}
          <Upkeep client={client} />
        </TidewireContext.Provider>
      </TRPCProvider>
    </QueryClientProvider>
  );
}

/** A conversation, followed while the component is there, and what can be done in it. */
export function useConversation(id: string): ConversationView & ConversationActions {
  const client = useTidewire();
  const store = useMemo(() => conversationStore(client, id), [client, id]);
  const view = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);
  const queries = useQueryClient();
  const trpc = useTRPC();
  const isMissing = view.status === "missing";
  useEffect(() => {
    // It was deleted on another device, of which no list has heard yet.
    if (isMissing) new ConversationList(queries, trpc.conversations.list.infiniteQueryKey()).remove(id);
  }, [isMissing, id, queries, trpc]);
  return useMemo(() => ({ ...view, ...store.actions }), [view, store]);
}

/** How the page reaches the server. */
export function useConnectionState(): ConnectionState {
  const { connection } = useTidewire();
  return useSyncExternalStore(connection.subscribe, connection.getSnapshot, connection.getSnapshot);
}

const NO_MODELS: readonly ModelInfo[] = [];
const NO_TOOLS: readonly ToolInfo[] = [];

/** The models that can be chosen, the default first; empty until they are known. */
export function useModels(): readonly ModelInfo[] {
  return useQuery(useTRPC().models.list.queryOptions(undefined, { staleTime: Infinity })).data ?? NO_MODELS;
}

/** The tools that can be offered; empty until they are known. */
export function useTools(): readonly ToolInfo[] {
  return useQuery(useTRPC().tools.list.queryOptions(undefined, { staleTime: Infinity })).data ?? NO_TOOLS;
}

/**
 * Keeps queries and stores true: titles come by events, from other tabs, and with the list; what failed is asked again
 * once the server is back. What an earlier page has left to be sent is sent.
 */
function Upkeep({ client }: { readonly client: TidewireClient }): null {
  const queries = useQueryClient();
  const trpc = useTRPC();
  useEffect(() => {
    const list = new ConversationList(queries, trpc.conversations.list.infiniteQueryKey());
    const stores = storesOf(client);
    const others = otherTabsOf(client);
    const leave = [
      stores.changes.add((conversation) => {
        const known = list.find(conversation.id);
        list.take(conversation);
        const { id, title } = conversation;
        if (known && title !== undefined && title !== known.title) others.tell({ id, title });
      }),
      list.onFetched((conversation) => stores.peek(conversation.id)?.learn(conversation)),
      others.listen(({ id, title }) => {
        if (title !== undefined) {
          list.patch(id, { title });
          stores.peek(id)?.learn({ title });
        }
        list.renew();
      }),
    ];
    return () => leave.forEach((each) => each());
  }, [client, queries, trpc]);
  useEffect(() => {
    for (const id of client.outbox?.conversations() ?? []) conversationStore(client, id).sendWaiting();
  }, [client]);
  useEffect(() => {
    let wasAway = false;
    return client.connection.subscribe(() => {
      const state = client.connection.getSnapshot();
      const isBack = wasAway && state.status === "live";
      wasAway = isAway(state) || (wasAway && !isBack);
      if (isBack) void queries.refetchQueries({ queryKey: trpc.pathKey(), type: "active" });
    });
  }, [client, queries, trpc]);
  return null;
}

function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        retry: (failures, error) => failures < 2 && isRetryable(error),
      },
    },
  });
}
