import type { KeyboardEvent } from "react";

/** Whether a key belongs to an input method: while it composes, Enter takes its suggestion. Safari says so by 229 only. */
export function isComposing(event: KeyboardEvent): boolean {
  return event.nativeEvent.isComposing || event.keyCode === 229;
}
