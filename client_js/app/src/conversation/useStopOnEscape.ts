import { useEffect } from "react";

/** Esc stops the answer, unless it closes a dialog or a list of choices, or empties a search. */
export function useStopOnEscape(stop: (() => void) | null): void {
  useEffect(() => {
    if (stop === null) return undefined;
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
      if (event.target instanceof HTMLInputElement && event.target.type === "search") return;
      if (document.querySelector("dialog[open], :popover-open") === null) stop();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [stop]);
}
