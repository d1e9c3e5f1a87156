import { useMemo, useSyncExternalStore } from "react";
import type { AIConfig, ModelInfo, ToolInfo } from "tidewire-client";

import { readStored, store } from "../storage.js";

/** What answers are to be made with, in every conversation. */
export interface Choice {
  /** null is the server's default. */
  readonly model: string | null;
  /** Names of tools that are not offered. A tool that is new to the server is. */
  readonly toolsOff: readonly string[];
  /** Names of all tools there were when that was chosen: they hold until the server has told its own. */
  readonly tools: readonly string[];
}

let choice: Choice = readChoice();
const listeners = new Set<() => void>();

function readChoice(): Choice {
  const nothing: Choice = { model: null, toolsOff: [], tools: [] };
  try {
    const stored: unknown = JSON.parse(readStored("choice") ?? "null");
    if (typeof stored !== "object" || stored === null) return nothing;
    const model = "model" in stored && typeof stored.model === "string" ? stored.model : null;
    const toolsOff = "toolsOff" in stored ? namesIn(stored.toolsOff) : [];
    const tools = "tools" in stored ? namesIn(stored.tools) : [];
    return { model, toolsOff, tools };
  } catch {
    return nothing;
  }
}

function namesIn(stored: unknown): readonly string[] {
  return Array.isArray(stored) ? stored.filter((name) => typeof name === "string") : [];
}

/** Change the choice, and remember it. */
export function choose(change: Partial<Choice>): void {
  choice = { ...choice, ...change };
  store("choice", JSON.stringify(choice));
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useChoice(): Choice {
  return useSyncExternalStore(subscribe, () => choice);
}

/**
 * The choice as the server takes it. What the server has not got any more is left out; until it has told what it has,
 * the choice holds as it was made. Models and tools are asked for together, and there is always a model.
 */
export function useConfig(models: readonly ModelInfo[], tools: readonly ToolInfo[]): AIConfig {
  const { model, toolsOff, tools: knownTools } = useChoice();
  return useMemo(() => {
    const isKnown = models.length > 0;
    const names = isKnown ? tools.map(({ name }) => name) : knownTools;
    const offered = names.filter((name) => !toolsOff.includes(name));
    return {
      ...(model !== null && (!isKnown || models.some(({ id }) => id === model)) ? { model } : {}),
      ...(offered.length < names.length ? { tools: offered } : {}),
    };
  }, [models, tools, model, toolsOff, knownTools]);
}
