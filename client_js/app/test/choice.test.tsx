// @vitest-environment jsdom
import { act, cleanup, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { AIConfig } from "tidewire-client";

const MODELS = [
  { id: "large", isDefault: true },
  { id: "small", isDefault: false },
];
const TOOLS = ["calculate", "current_time"].map((name) => ({ name, description: "", parameters: {} }));

type Choosing = typeof import("../src/composer/choice.js");

/** The module as a page has it that was just loaded. */
async function load(): Promise<Choosing & { config(models?: typeof MODELS, tools?: typeof TOOLS): AIConfig }> {
  vi.resetModules();
  const choosing = await import("../src/composer/choice.js");
  const config = (models = MODELS, tools = TOOLS): AIConfig =>
    renderHook(() => choosing.useConfig(models, tools)).result.current;
  return { ...choosing, config };
}

beforeEach(() => localStorage.clear());
afterEach(cleanup);

test("without a choice all is the server's", async () => {
  const { config } = await load();
  expect(config()).toEqual({});
});

test("the model that was chosen is asked, also after a reload, as long as there is one of that name", async () => {
  const { choose, config } = await load();
  act(() => choose({ model: "small" }));
  expect(config()).toEqual({ model: "small" });
  const later = await load();
  expect(later.config()).toEqual({ model: "small" });
  expect(later.config([{ id: "large", isDefault: true }])).toEqual({});
});

test("tools that were turned off are not offered, and new ones are", async () => {
  const { choose, config } = await load();
  act(() => choose({ toolsOff: ["calculate"] }));
  expect(config()).toEqual({ tools: ["current_time"] });
  act(() => choose({ toolsOff: ["calculate", "current_time"] }));
  expect(config()).toEqual({ tools: [] });
  const later = await load();
  const more = [...TOOLS, { name: "new", description: "", parameters: {} }];
  expect(later.config(MODELS, more)).toEqual({ tools: ["new"] });
});

test("before the server has told what it has, what was chosen holds", async () => {
  const { choose } = await load();
  act(() => choose({ model: "small", toolsOff: ["calculate"], tools: TOOLS.map(({ name }) => name) }));
  const { config } = await load();
  expect(config([], [])).toEqual({ model: "small", tools: ["current_time"] });
  // A server may well have no tools.
  expect(config(MODELS, [])).toEqual({ model: "small" });
});

test.each(["{", "7", '{"model": 7, "toolsOff": "all"}', '{"toolsOff": [1]}'])("%s in the storage is no choice", async (text) => {
  localStorage.setItem("tidewire.choice", text);
  expect((await load()).config()).toEqual({});
});
