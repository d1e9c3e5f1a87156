// What the stock client infers from `every_type.py` with superjson. Compiled, never run.

import { createTRPCClient, createWSClient, httpBatchLink, httpLink, wsLink } from "@trpc/client";
import type { inferRouterInputs, inferRouterOutputs } from "@trpc/server";
import { expectTypeOf } from "expect-type";
import superjson from "superjson";

import type { AppRouter, Box, Circle, Color, Kept, Node, Shape, Side, Square } from "./every-type.superjson";

type Inputs = inferRouterInputs<AppRouter>;
type Outputs = inferRouterOutputs<AppRouter>;

const url = "http://127.0.0.1:8000/api/trpc";
const socket = createWSClient({ url });

// ---------- the transformer

export const client = createTRPCClient<AppRouter>({
  links: [wsLink({ client: socket, transformer: superjson })],
});

httpLink<AppRouter>({ url, transformer: superjson });

// @ts-expect-error the server uses superjson, so the link must
httpBatchLink<AppRouter>({ url });

// @ts-expect-error the same for the socket
wsLink<AppRouter>({ client: socket });

// ---------- queries and mutations

const scalars = await client.values.scalars.query({
  aBoolean: true,
  anInt: 1,
  aFloat: 1.5,
  aText: "",
  someBytes: new Uint8Array(),
  aMoment: new Date(),
  aDay: "2024-02-29",
  aTime: "12:00:00",
  aDuration: "PT1S",
  anId: "6f9619ff-8b86-d011-b42d-00c04fc964ff",
  aPrice: "1.50",
  nothing: null,
  anything: { whatever: 1 },
  aColor: "red",
  aPriority: 2,
  aSide: "left",
  oneOrTwo: "three",
});
expectTypeOf(scalars).toEqualTypeOf<{
  aBoolean: boolean;
  anInt: number;
  aFloat: number;
  aText: string;
  someBytes: Uint8Array;
  aMoment: Date;
  aDay: string;
  aTime: string;
  aDuration: string;
  anId: string;
  aPrice: string;
  nothing: null;
  anything: unknown;
  aColor: "red" | "blue";
  aPriority: 1 | 2;
  aSide: "left" | "right";
  oneOrTwo: 1 | 2 | "three" | true;
}>();

expectTypeOf<Outputs["values"]["collections"]>().toEqualTypeOf<{
  names: string[];
  sides: ("left" | "right" | null)[];
  unique: Set<number>;
  frozen: Set<string>;
  byName: Record<string, number>;
  byColor: { red?: number; blue?: number };
  byNumber: Map<number, string>;
  byId: Record<string, boolean>;
  pair: [number, string];
  many: number[];
  untyped: unknown[];
  loose: Record<string, unknown>;
}>();

expectTypeOf(client.values.nothing.mutate).toBeCallableWith();
expectTypeOf(await client.values.nothing.mutate()).toEqualTypeOf<null>();
expectTypeOf(await client.values.maybe.query({ found: true })).toEqualTypeOf<Color | undefined>();
expectTypeOf(await client.values.anything.query(1)).toEqualTypeOf<unknown>();
expectTypeOf(await client.values.moments.query()).toEqualTypeOf<{
  items: (Date | null)[];
  nextCursor?: string;
}>();

// @ts-expect-error a query is no mutation
void client.values.scalars.mutate;

// @ts-expect-error nor is there such a procedure
void client.values.missing;

// @ts-expect-error what is required cannot be left out
void client.values.page.query();

// ---------- absent is not null

expectTypeOf<Outputs["values"]["absence"]>().toEqualTypeOf<{
  required: string;
  nullable: string | null;
  defaulted?: number;
  absent?: string;
  unset?: string;
  unsetOrNull?: string | null;
  made?: number[];
}>();
expectTypeOf<Inputs["values"]["absence"]>().toEqualTypeOf<{
  required: string;
  nullable: string | null;
  defaulted?: number;
  absent?: string | null;
  unset?: string;
  unsetOrNull?: string | null;
  made?: number[];
}>();
expectTypeOf<Outputs["values"]["kept"]>().toEqualTypeOf<{ size: number; note: string | null }>();
expectTypeOf<Inputs["values"]["kept"]>().toEqualTypeOf<void | undefined | { size?: number; note?: string | null }>();

// What was received can be sent back.
expectTypeOf<Outputs["values"]["absence"]>().toExtend<Inputs["values"]["absence"]>();
expectTypeOf<Outputs["values"]["others"]>().toExtend<Inputs["values"]["others"]>();

// @ts-expect-error null is not absent
void client.values.absence.mutate({ required: "", nullable: null, unset: null });

expectTypeOf(client.values.tree.query).toBeCallableWith();
expectTypeOf(client.values.tree.query).toBeCallableWith({});
expectTypeOf(client.values.tree.query).toBeCallableWith({ depth: 2 });

// ---------- classes

expectTypeOf<Outputs["values"]["others"]>().toEqualTypeOf<{
  point: [x: number, y: number, label: string | null];
  row: [type: "Row", number: number, text: string];
  box: { width: number; tags: string[] };
  options: { verbose: boolean; depth?: number };
  "content-type": string;
}>();
expectTypeOf<Inputs["values"]["others"]>().toEqualTypeOf<{
  point: [x: number, y: number, label?: string | null];
  row: [type: "Row", number: number, text?: string];
  box: { width: number; tags?: string[] };
  options: { verbose: boolean; depth?: number };
  "content-type"?: string;
}>();
expectTypeOf<Outputs["values"]["page"]>().toEqualTypeOf<{ items: Box[]; nextCursor?: string }>();

const tree = await client.values.tree.query();
expectTypeOf(tree).toEqualTypeOf<Node>();
expectTypeOf(tree.children[0]?.children[0]?.parentOf).toEqualTypeOf<Node | null | undefined>();

// ---------- unions

export function area(shape: Outputs["values"]["draw"]): number {
  switch (shape.kind) {
    case "circle":
      expectTypeOf(shape).toEqualTypeOf<Circle>();
      return shape.radius ** 2 * Math.PI;
    case "square":
      expectTypeOf(shape).toEqualTypeOf<Square>();
      return shape.side ** 2;
  }
}

expectTypeOf<Shape["kind"]>().toEqualTypeOf<"circle" | "square">();

// @ts-expect-error a square has no radius
void client.values.draw.query({ shape: { kind: "square", radius: 1 } });

// ---------- inputs that are not JSON

void client.uploads.form.mutate(new FormData());
void client.uploads.stream.mutate(new Uint8Array());
void client.uploads.stream.mutate(new File([], "empty"));

// @ts-expect-error a form is not an object
void client.uploads.form.mutate({ file: "" });

// ---------- subscriptions

client.events.watch.subscribe(
  { roomId: "1" },
  {
    onData(event) {
      expectTypeOf(event).toEqualTypeOf<{ id: string; data: Shape }>();
    },
  },
);
client.events.ticks.subscribe(undefined, {
  onData: (event) => expectTypeOf(event).toEqualTypeOf<Date>(),
});
client.events.mixed.subscribe(
  { until: new Date() },
  { onData: (event) => expectTypeOf(event).toEqualTypeOf<Side | { id: string; data: Kept }>() },
);

// @ts-expect-error a subscription is no query
void client.events.watch.query;
