import { useEffect, useState } from "react";

/** Milliseconds without a change. */
const PAUSE = 200;

/** `value` once it has not changed for a moment; an empty one at once. */
export function useSettled(value: string): string {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), PAUSE);
    return () => clearTimeout(timer);
  }, [value]);
  return value === "" ? "" : settled;
}
