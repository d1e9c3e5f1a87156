import type { ReactNode } from "react";
import type { ChatMessage } from "tidewire-client";

import { AlertIcon, StopIcon } from "../ui/icons.js";

interface OutcomeNoteProps {
  readonly message: ChatMessage;
  /** null where something was said after it. */
  readonly onRegenerate: (() => void) | null;
}

/** Says under an answer why it is not whole. */
export function OutcomeNote({ message, onRegenerate }: OutcomeNoteProps): ReactNode {
  const text = noteOn(message);
  if (text === null) return null;
  return (
    <div className="outcome" data-status={message.status}>
      {message.status === "stopped" ? <StopIcon /> : <AlertIcon />}
      <p>{text}</p>
      {onRegenerate !== null && message.status !== "ok" && (
        <button type="button" className="text-button" onClick={onRegenerate}>
          Regenerate
        </button>
      )}
    </div>
  );
}

function noteOn({ status, error, finishReason }: ChatMessage): string | null {
  switch (status) {
    case "stopped":
      return "Stopped.";
    case "interrupted":
      return `The answer was interrupted. ${error?.message ?? "This is what had come."}`;
    case "error":
      return `The answer failed. ${error?.message ?? ""}`;
    case "ok":
      return finishReason === "length" ? "The answer reached the longest length allowed." : null;
    case "streaming":
      return null;
  }
}
