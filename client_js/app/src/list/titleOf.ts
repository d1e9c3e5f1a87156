import type { Conversation } from "tidewire-client";

/** A conversation's title; until it has one, what it is. */
export function titleOf({ title }: Conversation): string {
  return title ?? "New conversation";
}
