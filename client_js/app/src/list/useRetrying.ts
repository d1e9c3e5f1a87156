import { useEffect, useRef } from "react";

const FIRST_PAUSE = 2_000; // milliseconds
const LONGEST_PAUSE = 30_000;

/** Calls `onRetry` again and again while something has failed, the more seldom the longer that lasts. */
export function useRetrying(hasFailed: boolean, onRetry: () => void): void {
  const latest = useRef(onRetry);
  useEffect(() => {
    latest.current = onRetry;
  });

  useEffect(() => {
    if (!hasFailed) return undefined;
    let timer: number;
    const wait = (pause: number): void => {
      timer = window.setTimeout(() => {
        latest.current();
        wait(Math.min(2 * pause, LONGEST_PAUSE));
      }, pause);
    };
    wait(FIRST_PAUSE);
    return () => window.clearTimeout(timer);
  }, [hasFailed]);
}
