import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";

import { applyEvent, EMPTY_FOLD, foldEvents, foldOf, type Message, type MessageEvent, type Part } from "../src/index.js";

interface Vector {
  readonly name: string;
  readonly events: readonly MessageEvent[];
  readonly parts: readonly Part[];
  readonly content: string;
}

const PATH = resolve(import.meta.dirname, "../../tests/vectors/fold.json");
const VECTORS = JSON.parse(readFileSync(PATH, "utf8")) as readonly Vector[];

const START: MessageEvent = {
  type: "start",
  turnId: "t",
  messageId: "m",
  userMessageId: "u",
  clientMessageId: "c",
  model: "demo",
};
const text = (content: string): MessageEvent => ({ type: "text_delta", content });

describe("the vectors that the server is tested by, too", () => {
  test.each(VECTORS)("$name", ({ events, parts, content }) => {
    const fold = foldEvents(events);
    expect(fold.parts).toStrictEqual(parts);
    expect(fold.content).toBe(content);
  });

  // Wherever a message is given as a whole, what follows goes on from there.
  test.each(VECTORS)("$name, given as a whole after any event", ({ events, parts, content }) => {
    for (let given = 1; given <= events.length; given++) {
      const { parts: soFar, content: said } = foldEvents(events.slice(0, given));
      const message: Message = {
        id: "m2",
        conversationId: "k1",
        turnId: "t1",
        role: "assistant",
        status: "streaming",
        content: said,
        parts: [...soFar],
        createdAt: new Date(0),
      };
      const fold = events.slice(given).reduce(applyEvent, foldOf(message));
      expect(fold.parts).toStrictEqual(parts);
      expect(fold.content).toBe(content);
    }
  });
});

describe("a fold", () => {
  test("tells how the message fares", () => {
    expect(foldEvents([START, text("Hi")])).toMatchObject({
      status: "streaming",
      turnId: "t",
      messageId: "m",
      userMessageId: "u",
      clientMessageId: "c",
      model: "demo",
    });
    const usage = { inputTokens: 1, outputTokens: 2, estimated: false };
    const done = foldEvents([
      START,
      { type: "error", code: "BAD_GATEWAY", message: "It broke.", retryable: true },
      { type: "complete", messageId: "m", status: "error", finishReason: "length", usage },
    ]);
    expect(done).toMatchObject({ status: "error", finishReason: "length", usage });
    expect(done.error).toEqual({ code: "BAD_GATEWAY", message: "It broke.", retryable: true });
  });

  test("keeps parts that an event does not change", () => {
    const before = foldEvents([START, text("Hi"), { type: "tool_call_start", toolCallId: "a", toolName: "f", index: 0 }]);
    const after = applyEvent(before, { type: "tool_call_delta", toolCallId: "a", argsDelta: "{}" });
    expect(after.parts[0]).toBe(before.parts[0]);
    expect(after.parts[1]).not.toBe(before.parts[1]);
    expect(before.parts[1]).not.toHaveProperty("args");
    expect(applyEvent(after, { type: "title", title: "T" })).toBe(after);
    expect(applyEvent(after, { type: "stopped", by: "me" })).toBe(after);
  });

  test("passes over events of a newer server, and tool calls that it does not know", () => {
    const fold = foldEvents([START, text("Hi")]);
    expect(applyEvent(fold, { type: "from_the_future" } as unknown as MessageEvent)).toBe(fold);
    const delta: MessageEvent = { type: "tool_call_delta", toolCallId: "x", argsDelta: "{" };
    expect(applyEvent(fold, delta).parts).toEqual(fold.parts);
  });

  test("of arguments of 200,000 characters in 50,000 pieces takes less than two seconds", () => {
    const begin = performance.now();
    let fold = applyEvent(EMPTY_FOLD, { type: "tool_call_start", toolCallId: "a", toolName: "f", index: 0 });
    fold = applyEvent(fold, { type: "tool_call_delta", toolCallId: "a", argsDelta: '{"text":"' });
    for (let n = 0; n < 50_000; n++) {
      fold = applyEvent(fold, { type: "tool_call_delta", toolCallId: "a", argsDelta: "text" });
    }
    fold = applyEvent(fold, { type: "tool_call_delta", toolCallId: "a", argsDelta: '"}' });
    expect(fold.parts[0]).toMatchObject({ args: { text: "text".repeat(50_000) } });
    expect(performance.now() - begin).toBeLessThan(2_000);
  });
});
