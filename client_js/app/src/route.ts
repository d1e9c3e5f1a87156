import { useSyncExternalStore } from "react";

export type Route =
  | { readonly type: "new" }
  | { readonly type: "conversation"; readonly id: string }
  | { readonly type: "unknown" };

interface Location {
  readonly route: Route;
  /** Grows with every navigation, also with one to the same place. */
  readonly visit: number;
}

let location: Location = { route: parsePath(window.location.pathname), visit: 0 };
const listeners = new Set<() => void>();

function parsePath(path: string): Route {
  if (path === "/") return { type: "new" };
  const id = /^\/c\/([^/]+)$/.exec(path)?.[1];
  if (id === undefined) return { type: "unknown" };
  try {
    return { type: "conversation", id: decodeURIComponent(id) };
  } catch {
    return { type: "unknown" };
  }
}

/** The address of a conversation. */
export function pathOf(conversationId: string): string {
  return `/c/${encodeURIComponent(conversationId)}`;
}

/** Go to a path of this page. "replace" leaves no step to go back to. */
export function navigate(path: string, how: "push" | "replace" = "push"): void {
  if (how === "replace") history.replaceState(null, "", path);
  else if (path !== window.location.pathname) history.pushState(null, "", path);
  arrive();
}

function arrive(): void {
  location = { route: parsePath(window.location.pathname), visit: location.visit + 1 };
  for (const listener of listeners) listener();
}

window.addEventListener("popstate", arrive);

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Where the page is. */
export function useLocation(): Location {
  return useSyncExternalStore(subscribe, () => location);
}
