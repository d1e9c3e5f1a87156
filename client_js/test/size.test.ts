import { resolve } from "node:path";
import { build } from "vite";
import { expect, test } from "vitest";

/** What a page gets that has just this module. */
async function bundled(source: string): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "silent",
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === "entry" ? "\0entry" : null),
        load: (id) => (id === "\0entry" ? source : null),
      },
    ],
    build: { write: false, modulePreload: false, rolldownOptions: { input: "entry" } },
  });
  const [{ output }] = [result].flat() as unknown as [{ output: { code?: string }[] }];
  return output.map(({ code }) => code ?? "").join("");
}

const INDEX = JSON.stringify(resolve(import.meta.dirname, "../src/index.ts"));

test("a page that only folds events gets nothing else", async () => {
  const code = await bundled(`import { foldEvents } from ${INDEX}; console.log(foldEvents([]));`);
  expect(code).toContain("tool_call");
  expect(code).not.toContain("WebSocket");
  expect(code.length).toBeLessThan(5_000);
});

test("a page without a framework gets none", async () => {
  const code = await bundled(
    `import { conversationStore, createTidewireClient } from ${INDEX}; console.log(conversationStore, createTidewireClient);`,
  );
  expect(code).not.toContain("react");
  // 75 kB when this was written, most of it superjson and the stock client.
  expect(code.length).toBeLessThan(100_000);
});
