import { type ReactNode, useState } from "react";

import { MarkdownText } from "../markdown/MarkdownText.js";
import { ChevronIcon } from "../ui/icons.js";

interface ReasoningProps {
  readonly text: string;
  readonly isLive: boolean;
}

/** What the model thought aloud: folded away, and not even parsed until somebody looks. */
export function Reasoning({ text, isLive }: ReasoningProps): ReactNode {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="fold reasoning" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <ChevronIcon />
        <span>{isLive ? "Thinking…" : "Reasoning"}</span>
      </summary>
      {isOpen && <MarkdownText text={text} live={isLive} />}
    </details>
  );
}
