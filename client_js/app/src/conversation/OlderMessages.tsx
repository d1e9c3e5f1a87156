import { type ReactNode, useEffect, useRef } from "react";

/** Older messages are asked for when the top is this near; pixels. */
const MARGIN = 800;

interface OlderMessagesProps {
  readonly isLoading: boolean;
  /** Whether it waits to be pressed: loading has failed, and would fail again at once. */
  readonly isPaused: boolean;
  readonly onLoad: () => void;
}

/** Loads older messages when somebody scrolls up to it, or presses it. */
export function OlderMessages({ isLoading, isPaused, onLoad }: OlderMessagesProps): ReactNode {
  const element = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (isLoading || isPaused || element.current === null) return undefined;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting === true) onLoad();
      },
      { root: element.current.closest("[role=log]"), rootMargin: `${MARGIN}px 0px 0px` },
    );
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [isLoading, isPaused, onLoad]);

  return (
    <div className="older" ref={element}>
      <button type="button" className="quiet-button" aria-disabled={isLoading} onClick={isLoading ? undefined : onLoad}>
        {isLoading ? "Loading older messages…" : "Load older messages"}
      </button>
    </div>
  );
}
