import { useMemo, useSyncExternalStore } from "react";
import type { AIConfig, ModelInfo, ToolInfo } from "tidewire-client";

import { readStored, store } from "../storage.js";

/** What answers are to be made with, in every conversation. */
export interface Choice {
  /** null is the server's default. */
  readonly model: string | null;
  /** Names of tools that are not offered. A tool that is new to the server is. */
  readonly toolsOff: readonly string[];
}

let choice: Choice = readChoice();
const listeners = new Set<() => void>();

function readChoice(): Choice {
  const nothing: Choice = { model: null, toolsOff: [] };
  try {
    const stored: unknown = JSON.parse(readStored("choice") ?? "null");
    if (typeof stored !== "object" || stored === null) return nothing;
    const model = "model" in stored && typeof stored.model === "string" ? stored.model : null;
    const off = "toolsOff" in stored && Array.isArray(stored.toolsOff) ? stored.toolsOff : [];
    return { model, toolsOff: off.filter((name) => typeof name === "string") };
  } catch {
    return nothing;
  }
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

/** The choice as the server takes it. What the server has not got any more is left out. */
export function useConfig(models: readonly ModelInfo[], tools: readonly ToolInfo[]): AIConfig {
  const { model, toolsOff } = useChoice();
  return useMemo(() => {
    const offered = tools.map(({ name }) => name).filter((name) => !toolsOff.includes(name));
    return {
      ...(models.some(({ id }) => id === model) ? { model } : {}),
      ...(offered.length < tools.length ? { tools: offered } : {}),
    };
  }, [models, tools, model, toolsOff]);
}
