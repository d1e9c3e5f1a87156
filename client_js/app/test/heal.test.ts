import { expect, test } from "vitest";

import { heal } from "../src/markdown/heal.js";

test.each([
  ["a bold word", "a **bo", "a **bo**"],
  ["code", "a `co", "a `co`"],
  ["a link's address", "see [the page](https://exa", "see the page"],
  ["a link's text", "see [the pa", "see the pa"],
  ["a fence", "``", ""],
  ["a table's header", "| a | b", "| a | b\n| - | - |"],
  ["a table's second line", "| a | b |\n| -", "| a | b |\n| - | - |"],
  ["a list after a line of text", "text\n-", "text"],
  ["a nested item", "- item\n  1.", "- item"],
])("%s that is cut off looks like what it is going to be", (_what, half, healed) => {
  expect(heal(half)).toBe(healed);
});

test("what is whole stays as it is", () => {
  const whole = "A **bold** word, `code`, [a link](https://example.com) and ~~more~~.";
  expect(heal(whole)).toBe(whole);
});
