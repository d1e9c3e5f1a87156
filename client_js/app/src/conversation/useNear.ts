import { type RefObject, startTransition, useEffect, useRef, useState } from "react";

/** Rows this near to what is on the screen are made ready; pixels. */
const MARGIN = 1_500;

/**
 * Whether an element has come near to what can be seen of its scroller.
 *
 * Parsing a long history takes seconds; nobody waits for what they do not look at.
 */
export function useNear<T extends HTMLElement>(isNearAtFirst: boolean): readonly [RefObject<T | null>, boolean] {
  const element = useRef<T>(null);
  const [isNear, setNear] = useState(isNearAtFirst);

  useEffect(() => {
    if (isNear || element.current === null) return undefined;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting === true) startTransition(() => setNear(true));
      },
      { root: element.current.closest("[role=log]"), rootMargin: `${MARGIN}px 0px` },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [isNear]);

  return [element, isNear];
}
