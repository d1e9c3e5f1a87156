import { useCallback, useState } from "react";

import { readStored, store } from "../storage.js";

/** What is being written in a conversation; it is still there after a reload. */
export function useDraft(place: string): readonly [text: string, setText: (text: string) => void] {
  const [text, setText] = useState(() => readStored(keyOf(place)) ?? "");

  const write = useCallback(
    (next: string) => {
      setText(next);
      keepDraft(place, next);
    },
    [place],
  );

  return [text, write];
}

/** Keep what is being written in a conversation that is not shown. */
export function keepDraft(place: string, text: string): void {
  store(keyOf(place), text === "" ? null : text);
}

function keyOf(place: string): string {
  return `draft.${place}`;
}
