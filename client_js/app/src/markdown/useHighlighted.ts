import { type ReactNode, useEffect, useState } from "react";

/** Longer code stays plain; characters. Colouring this much takes about a frame. */
const LONGEST_COLOURED = 15_000;

/** `code` in colours once that is done, and null until then, and where there is nothing to colour. */
export function useHighlighted(code: string, language: string, closed: boolean): ReactNode {
  const [coloured, setColoured] = useState<{ readonly code: string; readonly content: ReactNode } | null>(null);
  const isWanted = closed && language !== "" && code.length <= LONGEST_COLOURED;

  useEffect(() => {
    if (!isWanted) return undefined;
    let isCurrent = true;
    void import("./highlighter.js")
      .then(async ({ highlight }) => {
        await whenIdle();
        if (isCurrent) setColoured({ code, content: highlight(code, language) });
      })
      .catch(() => {
        // Without its colours code can be read as well.
      });
    return () => {
      isCurrent = false;
    };
  }, [code, language, isWanted]);

  return isWanted && coloured?.code === code ? coloured.content : null;
}

function whenIdle(): Promise<void> {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) window.requestIdleCallback(() => resolve(), { timeout: 500 });
    else setTimeout(resolve, 50);
  });
}
