import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react";

/** Who scrolls down to so near the end wants to follow it; pixels. */
const NEAR = 32;
/** Rounding; pixels. */
const AT_END = 2;

export interface StickToBottom {
  readonly scroller: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLDivElement | null>;
  readonly isAtBottom: boolean;
  jumpToBottom(): void;
}

/** Follows what is added at the end, unless somebody has scrolled up. */
export function useStickToBottom(): StickToBottom {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const follower = useRef<Follower | null>(null);
  const [isAtBottom, setAtBottom] = useState(true);

  useLayoutEffect(() => {
    if (scroller.current === null || content.current === null) return undefined;
    const started = new Follower(scroller.current, content.current, setAtBottom);
    follower.current = started;
    return () => started.stop();
  }, []);

  const jumpToBottom = useCallback(() => follower.current?.jump(), []);

  return { scroller, content, isAtBottom, jumpToBottom };
}

/** Keeps a box scrolled to its end. */
class Follower {
  readonly #box: HTMLElement;
  readonly #onChange: (follows: boolean) => void;
  readonly #sizes = new ResizeObserver(() => this.#follow());
  #follows = true;
  /** Where the box was when it was last looked at. */
  #top = 0;

  constructor(box: HTMLElement, content: HTMLElement, onChange: (follows: boolean) => void) {
    this.#box = box;
    this.#onChange = onChange;
    this.#sizes.observe(box);
    this.#sizes.observe(content);
    box.addEventListener("scroll", this.#onScroll, { passive: true });
    this.jump();
  }

  stop(): void {
    this.#sizes.disconnect();
    this.#box.removeEventListener("scroll", this.#onScroll);
  }

  jump(): void {
    this.#put(true);
    this.#follow();
  }

  #follow(): void {
    if (this.#follows) this.#box.scrollTop = this.#box.scrollHeight;
    // What a change of sizes has moved, nobody has scrolled.
    this.#top = this.#box.scrollTop;
  }

  readonly #onScroll = (): void => {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    const distance = scrollHeight - scrollTop - clientHeight;
    if (distance <= AT_END) this.#put(true);
    else if (scrollTop < this.#top) this.#put(false);
    else if (distance <= NEAR) this.#put(true);
    this.#top = scrollTop;
  };

  #put(follows: boolean): void {
    this.#follows = follows;
    // Where the end is followed, the browser must not hold on to what is in the middle.
    this.#box.style.overflowAnchor = follows ? "none" : "auto";
    this.#onChange(follows);
  }
}
