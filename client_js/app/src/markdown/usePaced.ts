import { useEffect, useRef, useState } from "react";

/** Milliseconds between two parses of a text that is being written: long ones take long. */
function pauseFor(text: string): number {
  return text.length < 1_000 ? 0 : Math.min(text.length / 20, 400);
}

/** `text`, but while it grows changing the more seldom the longer it is. */
export function usePaced(text: string, isGrowing: boolean): string {
  const [shown, show] = useState(text);
  const latest = useRef(text);
  const timer = useRef<number | undefined>(undefined);
  const pause = isGrowing ? pauseFor(text) : 0;
  // What is shown when the pauses begin is what was shown before them.
  if (pause === 0 && shown !== text) show(text);

  useEffect(() => {
    latest.current = text;
    if (pause === 0 || timer.current !== undefined) return;
    timer.current = window.setTimeout(() => {
      timer.current = undefined;
      show(latest.current);
    }, pause);
  }, [text, pause]);

  useEffect(() => () => window.clearTimeout(timer.current), []);

  return pause === 0 ? text : shown;
}
