import { type RefObject, useLayoutEffect, useRef } from "react";

interface First {
  readonly key: string;
  /** Pixels from the top of the content. */
  readonly top: number;
}

/**
 * Keeps what is on the screen in its place when older messages come in above it.
 *
 * Browsers do that by themselves, but not at the very top, where older messages are asked for.
 */
export function useKeepPosition(
  scroller: RefObject<HTMLElement | null>,
  firstKey: string | undefined,
  elementOf: (key: string) => HTMLElement | null,
): void {
  const first = useRef<First | null>(null);

  useLayoutEffect(() => {
    if (firstKey === undefined) return;
    const box = scroller.current;
    if (box === null) return;
    const known = first.current === null ? null : elementOf(first.current.key);
    if (known !== null && first.current !== null) box.scrollTop += topOf(known, box) - first.current.top;
    const now = elementOf(firstKey);
    first.current = { key: firstKey, top: now === null ? 0 : topOf(now, box) };
  }, [firstKey, scroller, elementOf]);
}

function topOf(element: HTMLElement, box: HTMLElement): number {
  return element.getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop;
}
