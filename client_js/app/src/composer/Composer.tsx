import { type KeyboardEvent, memo, type MouseEvent, type ReactNode, type SyntheticEvent, useEffect, useRef } from "react";

import { IconButton } from "../ui/IconButton.js";
import { SendIcon, StopIcon } from "../ui/icons.js";
import { isComposing } from "../ui/isComposing.js";
import { ModelSelect } from "./ModelSelect.js";
import { ToolPicker } from "./ToolPicker.js";

/** What the server takes; UTF-16 units here, which are never fewer than its characters. */
const MAX_LENGTH = 200_000;

export interface ComposerProps {
  readonly text: string;
  readonly onChange: (text: string) => void;
  readonly onSend: (text: string) => void;
  /** Whether something is being sent that cannot be stopped; what is written waits for it. */
  readonly isSending?: boolean;
  /** Stops the answer; null when there is none to stop. */
  readonly onStop: (() => void) | null;
  /** Whether the answer is about to stop. */
  readonly isStopping?: boolean;
  /** The field gets the focus whenever this changes. */
  readonly visit: number;
}

/** Where messages are written: Enter sends, Shift+Enter begins a line. */
export const Composer = memo(function Composer(props: ComposerProps): ReactNode {
  const { text, onChange, onSend, isSending = false, onStop, isStopping = false, visit } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const isTooLong = text.length > MAX_LENGTH;
  const canSend = onStop === null && !isSending && text.trim() !== "" && !isTooLong;

  useEffect(() => {
    // On a touch screen the keyboard would cover what was just opened.
    if (visit > 0 || matchMedia("(pointer: fine)").matches) field.current?.focus();
  }, [visit]);

  const send = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (canSend) onSend(text);
    field.current?.focus();
  };

  const sendOnEnter = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.shiftKey && !isComposing(event)) send(event);
  };

  const stop = (): void => {
    onStop?.();
    field.current?.focus();
  };

  return (
    <form className="composer" aria-label="Write a message" onSubmit={send}>
      <textarea
        ref={field}
        id="composer"
        aria-label="Message"
        dir="auto"
        aria-describedby={isTooLong ? "composer-problem" : undefined}
        aria-invalid={isTooLong}
        placeholder="Write a message"
        rows={1}
        value={text}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={sendOnEnter}
      />
      {isTooLong && (
        <p id="composer-problem" className="composer-problem">
          {text.length.toLocaleString("en")} of {MAX_LENGTH.toLocaleString("en")} characters: too long to send
        </p>
      )}
      <div className="composer-bar">
        <ModelSelect />
        <ToolPicker />
        <span className="composer-hint" aria-hidden="true">
          {onStop === null ? "Enter to send, Shift+Enter for a new line" : "Esc to stop"}
        </span>
        {onStop === null ? (
          <IconButton label="Send" className="send" disabled={!canSend} onClick={once(send)}>
            <SendIcon />
          </IconButton>
        ) : (
          <IconButton label={isStopping ? "Stopping" : "Stop"} className="send" disabled={isStopping} onClick={once(stop)}>
            <StopIcon />
          </IconButton>
        )}
      </div>
    </form>
  );
});

/** Send and Stop take each other's place: the second click of a double click is not meant for the other. */
function once(act: (event: MouseEvent) => void): (event: MouseEvent) => void {
  return (event) => {
    if (event.detail < 2) act(event);
  };
}
