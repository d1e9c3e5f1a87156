// What the stock client infers from `every_type.py` with plain JSON. Compiled, never run.

import { createTRPCClient, httpBatchLink, httpBatchStreamLink, httpSubscriptionLink, splitLink } from "@trpc/client";
import type { inferRouterInputs, inferRouterOutputs } from "@trpc/server";
import { expectTypeOf } from "expect-type";
import superjson from "superjson";

import type { AppRouter, Kept, Node, Shape, Side } from "./every-type.none";

type Inputs = inferRouterInputs<AppRouter>;
type Outputs = inferRouterOutputs<AppRouter>;

const url = "http://127.0.0.1:8000/api/trpc";

export const client = createTRPCClient<AppRouter>({
  links: [
    splitLink({
      condition: (op) => op.type === "subscription",
      true: httpSubscriptionLink({ url }),
      false: httpBatchLink({ url }),
    }),
  ],
});

// @ts-expect-error the server speaks plain JSON, so the link must
httpBatchStreamLink<AppRouter>({ url, transformer: superjson });

// tRPC itself takes what is unknown for what may be absent from JSON.
expectTypeOf<Outputs["values"]["scalars"]>().toEqualTypeOf<{
  aBoolean: boolean;
  anInt: number;
  aFloat: number;
  aText: string;
  someBytes: string;
  aMoment: string;
  aDay: string;
  aTime: string;
  aDuration: string;
  anId: string;
  aPrice: string;
  nothing: null;
  anything?: unknown;
  aColor: "red" | "blue";
  aPriority: 1 | 2;
  aSide: "left" | "right";
  oneOrTwo: 1 | 2 | "three" | true;
}>();
expectTypeOf<Inputs["values"]["scalars"]["aMoment"]>().toEqualTypeOf<string>();

type Collections = Outputs["values"]["collections"];
expectTypeOf<Collections["unique"]>().toEqualTypeOf<number[]>();
expectTypeOf<Collections["byNumber"]>().toEqualTypeOf<Record<string, string>>();
expectTypeOf<Collections["byId"]>().toEqualTypeOf<Record<string, boolean>>();
expectTypeOf<Collections["byColor"]>().toEqualTypeOf<{ red?: number; blue?: number }>();
expectTypeOf<Collections["pair"]>().toEqualTypeOf<[number, string]>();
expectTypeOf<Collections["loose"]>().toEqualTypeOf<Record<string, unknown>>();

expectTypeOf<Outputs["values"]["absence"]>().toEqualTypeOf<{
  required: string;
  nullable: string | null;
  defaulted?: number;
  absent?: string;
  unset?: string;
  unsetOrNull?: string | null;
  made?: number[];
}>();
expectTypeOf<Outputs["values"]["moments"]>().toEqualTypeOf<{ items: (string | null)[]; nextCursor?: string }>();
expectTypeOf<Outputs["values"]["others"]["options"]>().toEqualTypeOf<{ verbose: boolean; depth?: number }>();
expectTypeOf<Outputs["values"]["others"]["row"]>().toEqualTypeOf<["Row", number, string]>();
expectTypeOf<Outputs["values"]["nothing"]>().toEqualTypeOf<null>();
expectTypeOf<Outputs["values"]["draw"]>().toEqualTypeOf<Shape>();
expectTypeOf<Outputs["values"]["tree"]>().toEqualTypeOf<Node>();

client.events.watch.subscribe(
  { roomId: "1" },
  { onData: (event) => expectTypeOf(event).toEqualTypeOf<{ id: string; data: Shape }>() },
);
client.events.ticks.subscribe(undefined, { onData: (event) => expectTypeOf(event).toEqualTypeOf<string>() });
client.events.mixed.subscribe(undefined, {
  onData: (event) => expectTypeOf(event).toEqualTypeOf<Side | { id: string; data: Kept }>(),
});
