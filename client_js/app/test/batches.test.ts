import { expect, test } from "vitest";
import type { ChatMessage } from "tidewire-client";

import { batchesOf, seenNow } from "../src/conversation/useBatches.js";

const messages = (...keys: readonly string[]): readonly ChatMessage[] =>
  keys.map((key) => ({
    id: key,
    key,
    conversationId: "k",
    turnId: "t",
    role: "user",
    status: "ok",
    content: key,
    parts: [],
    createdAt: new Date(0),
  }));

/** What is in which batch, after each of these was shown. */
function batches(...shown: readonly (readonly ChatMessage[])[]): readonly (readonly string[])[] {
  let seen = seenNow({ first: undefined, starts: [] }, shown[0] ?? []);
  for (const each of shown) seen = seenNow(seen, each);
  return batchesOf(shown.at(-1) ?? [], seen.starts).map(({ key, messages: those }) => [
    key,
    ...those.map((message) => message.key),
  ]);
}

test("what is new joins the newest batch", () => {
  expect(batches(messages(), messages("a"), messages("a", "b", "c"))).toEqual([["newest", "a", "b", "c"]]);
});

test("what is older is a batch of its own, and the others stay what they were", () => {
  const now = batches(messages("e", "f"), messages("c", "d", "e", "f"), messages("a", "b", "c", "d", "e", "f", "g"));
  expect(now).toEqual([
    ["before c", "a", "b"],
    ["before e", "c", "d"],
    ["newest", "e", "f", "g"],
  ]);
});

test("a batch whose beginning was deleted joins the one before", () => {
  const all = [messages("e", "f"), messages("c", "d", "e", "f"), messages("a", "b", "c", "d", "e", "f")];
  expect(batches(...all, messages("a", "b", "c", "x"))).toEqual([
    ["before c", "a", "b"],
    ["newest", "c", "x"],
  ]);
});

test("other messages begin anew", () => {
  expect(batches(messages("e", "f"), messages("c", "d", "e", "f"), messages("x", "y"))).toEqual([["newest", "x", "y"]]);
});
