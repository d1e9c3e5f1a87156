import { describe, expect, test } from "vitest";

import { inOneLine, pretty } from "../src/conversation/pretty.js";

describe("a value is shown for reading", () => {
  const circular: Record<string, unknown> = { name: "loop" };
  circular["self"] = circular;

  test.each([
    ["an object", { a: [1, 2] }, '{\n  "a": [\n    1,\n    2\n  ]\n}'],
    ["text", "plain\ntext", "plain\ntext"],
    ["JSON in a text", '{"a":1}', '{\n  "a": 1\n}'],
    ["half of JSON", '{"a":', '{"a":'],
    ["a number", 42, "42"],
    ["null", null, "null"],
    ["nothing", undefined, "nothing"],
    ["a large number", 2n ** 64n, '"18446744073709551616"'],
    ["no number", Number.NaN, '"NaN"'],
    ["a date", new Date(0), '"1970-01-01T00:00:00.000Z"'],
    ["a map", new Map([["k", new Set([1])]]), '{\n  "k": [\n    1\n  ]\n}'],
    ["a pattern", /x+/, '"/x+/"'],
    ["itself", circular, '{\n  "name": "loop",\n  "self": "(the same again)"\n}'],
    ["the same twice", [{ a: 1 }, { a: 1 }], '[\n  {\n    "a": 1\n  },\n  {\n    "a": 1\n  }\n]'],
  ])("%s", (_what, value, shown) => {
    expect(pretty(value)).toBe(shown);
  });

  test("a very long one in part", () => {
    expect(pretty("x".repeat(60_000))).toMatch(/x\n… 10,000 more characters$/);
  });
});

describe("in one line", () => {
  test.each([
    ["an object with one value is that value", { expression: "6 * 7" }, "6 * 7"],
    ["others are JSON", { a: 1, b: 2 }, '{"a":1,"b":2}'],
    ["lines become one", "a\n  b", "a b"],
  ])("%s", (_what, value, shown) => {
    expect(inOneLine(value)).toBe(shown);
  });

  test("and a long one is cut", () => {
    expect(inOneLine("x".repeat(1_000))).toHaveLength(81);
  });
});
