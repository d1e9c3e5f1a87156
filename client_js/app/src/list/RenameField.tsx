import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";

import { isComposing } from "../ui/isComposing.js";

interface RenameFieldProps {
  readonly title: string;
  /** Called once, with the new title, or null if there is none. */
  onEnd(title: string | null): void;
}

/** A title that is being changed: Enter and leaving keep it, Esc does not. */
export function RenameField({ title, onEnd }: RenameFieldProps): ReactNode {
  const [text, setText] = useState(title);
  const field = useRef<HTMLInputElement>(null);
  const isOver = useRef(false);

  useEffect(() => field.current?.select(), []);

  const end = (next: string | null): void => {
    if (isOver.current) return;
    isOver.current = true;
    onEnd(next);
  };
  const keep = (): void => end(text.trim() === "" ? null : text.trim());

  const onKeyDown = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    if (event.key === "Enter") keep();
    if (event.key === "Escape") {
      // Nothing else that Esc does is meant: not the answer, not the drawer.
      event.preventDefault();
      event.stopPropagation();
      end(null);
    }
  };

  return (
    <input
      ref={field}
      className="rename-field"
      aria-label="Title"
      dir="auto"
      maxLength={200}
      value={text}
      onChange={(event) => setText(event.target.value)}
      onBlur={keep}
      onKeyDown={onKeyDown}
    />
  );
}
