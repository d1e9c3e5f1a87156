import { type RefObject, useLayoutEffect, useRef } from "react";

/** So near to the end counts as being there; pixels. */
const NEAR = 24;

/** A box that scrolls along with what is added to its end, unless somebody has scrolled up in it. */
export function useFollowEnd<T extends HTMLElement>(content: string, isGrowing: boolean): RefObject<T | null> {
  const box = useRef<T>(null);
  /** Where it was left, in pixels from the top. */
  const left = useRef(0);

  useLayoutEffect(() => {
    if (!isGrowing || box.current === null) return;
    if (box.current.scrollTop >= left.current - NEAR) box.current.scrollTop = box.current.scrollHeight;
    left.current = box.current.scrollTop;
  }, [content, isGrowing]);

  return box;
}
