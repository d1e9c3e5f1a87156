import { useSyncExternalStore } from "react";

import { announce } from "../announcer.js";

export interface Notice {
  readonly id: number;
  readonly text: string;
}

const SHOWN_FOR = 6_000; // milliseconds

let notices: readonly Notice[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function change(next: readonly Notice[]): void {
  notices = next;
  for (const listener of listeners) listener();
}

/** Show and say a sentence for a while. */
export function notify(text: string): void {
  const id = ++lastId;
  change([...notices, { id, text }]);
  announce(text);
  setTimeout(() => change(notices.filter((notice) => notice.id !== id)), SHOWN_FOR);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useNotices(): readonly Notice[] {
  return useSyncExternalStore(subscribe, () => notices);
}
