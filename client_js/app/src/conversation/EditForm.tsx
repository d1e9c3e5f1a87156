import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";

import { isComposing } from "../ui/isComposing.js";

interface EditFormProps {
  readonly text: string;
  onSend(text: string): void;
  onCancel(): void;
}

/** A message of one's own, in place, to be changed and sent again. */
export function EditForm({ text, onSend, onCancel }: EditFormProps): ReactNode {
  const [edited, setEdited] = useState(text);
  const form = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const canSend = edited.trim() !== "";

  useEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(-1, -1);
    form.current?.scrollIntoView({ block: "nearest" });
  }, []);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    if (event.key === "Escape") {
      // Not the answer is to be stopped.
      event.stopPropagation();
      onCancel();
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (canSend) onSend(edited);
    }
  };

  return (
    <div ref={form} className="edit-form" role="group" aria-label="Edit message" onKeyDown={onKeyDown}>
      <textarea
        ref={field}
        aria-label="Edited message"
        dir="auto"
        value={edited}
        onChange={(event) => setEdited(event.target.value)}
      />
      <div className="edit-bar">
        <p>What came after it will be replaced.</p>
        <button type="button" className="quiet-button" onClick={onCancel}>
          Cancel
        </button>
        <button type="button" className="main-button" disabled={!canSend} onClick={() => onSend(edited)}>
          Send again
        </button>
      </div>
    </div>
  );
}
