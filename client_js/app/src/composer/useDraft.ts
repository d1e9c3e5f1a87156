import { useCallback, useState } from "react";

import { readStored, store } from "../storage.js";

/** What is being written in a conversation; it is still there after a reload. */
export function useDraft(place: string): readonly [text: string, setText: (text: string) => void] {
  const key = `draft.${place}`;
  const [text, setText] = useState(() => readStored(key) ?? "");

  const write = useCallback(
    (next: string) => {
      setText(next);
      store(key, next === "" ? null : next);
    },
    [key],
  );

  return [text, write];
}
