import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";

const read = (path: string): string => readFileSync(resolve(import.meta.dirname, path), "utf8");

// What is compared here, `npm run check` compiles.
test("the examples of the README are ones that compile", () => {
  const blocks = [...read("../README.md").matchAll(/```tsx?\n([^]*?)```/g)].map(([, code]) => code);
  expect(blocks).toEqual([read("readme-react.tsx"), read("readme-plain.ts"), read("readme-events.ts")]);
});
