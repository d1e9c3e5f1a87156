// What `@trpc/tanstack-react-query` infers from `every_type.py` with superjson. Compiled, never run.

import { QueryClient, useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { createTRPCClient, httpLink } from "@trpc/client";
import { createTRPCContext, createTRPCOptionsProxy, useSubscription } from "@trpc/tanstack-react-query";
import { expectTypeOf } from "expect-type";
import superjson from "superjson";

import type { Absence, AbsenceInput, AppRouter, Box, Page, Scalars, Shape } from "./every-type.superjson";

const queryClient = new QueryClient();
const client = createTRPCClient<AppRouter>({
  links: [httpLink({ url: "http://127.0.0.1:8000/api/trpc", transformer: superjson })],
});
const trpc = createTRPCOptionsProxy<AppRouter>({ client, queryClient });

export const { TRPCProvider, useTRPC } = createTRPCContext<AppRouter>();

export function useEverything(input: Scalars): void {
  expectTypeOf(useQuery(trpc.values.scalars.queryOptions(input)).data).toEqualTypeOf<Scalars | undefined>();
  expectTypeOf(useQuery(trpc.values.moments.queryOptions()).data).toEqualTypeOf<Page<Date | null> | undefined>();
  expectTypeOf(useQuery(trpc.values.tree.queryOptions({ depth: 1 })).data?.label).toEqualTypeOf<string | undefined>();

  const absence = useMutation(trpc.values.absence.mutationOptions());
  expectTypeOf(absence.data).toEqualTypeOf<Absence | undefined>();
  expectTypeOf(absence.mutateAsync).parameter(0).toEqualTypeOf<AbsenceInput>();

  // The key `cursor` of its input makes a query infinite.
  const pages = useInfiniteQuery(
    trpc.values.page.infiniteQueryOptions(
      { search: "a" },
      { getNextPageParam: (last) => last.nextCursor, initialCursor: null },
    ),
  );
  expectTypeOf(pages.data?.pages).toEqualTypeOf<Page<Box>[] | undefined>();

  const watched = useSubscription(
    trpc.events.watch.subscriptionOptions(
      { roomId: "1" },
      { onData: (event) => expectTypeOf(event).toEqualTypeOf<{ id: string; data: Shape }>() },
    ),
  );
  expectTypeOf(watched.data).toEqualTypeOf<{ id: string; data: Shape } | undefined>();
}

// @ts-expect-error the input is required
trpc.values.page.queryOptions();

// @ts-expect-error a mutation is no query
void trpc.values.absence.queryOptions;

export const state: { key: readonly unknown[] } = { key: trpc.values.page.queryKey({ search: "a" }) };
