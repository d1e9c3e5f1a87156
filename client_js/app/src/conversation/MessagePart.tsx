import { memo, type ReactNode } from "react";
import type { Part } from "tidewire-client";

import { MarkdownText } from "../markdown/MarkdownText.js";
import { Reasoning } from "./Reasoning.js";
import { Refusal } from "./Refusal.js";
import { ToolCall } from "./ToolCall.js";

/** Whether a part is all there, may go on, or will not. */
export type PartEnd = "growing" | "whole" | "cut off";

interface MessagePartProps {
  readonly part: Part;
  readonly end: PartEnd;
  readonly isNear: boolean;
}

/** A piece of an answer. */
export const MessagePart = memo(function MessagePart({ part, end, isNear }: MessagePartProps): ReactNode {
  switch (part.type) {
    case "text":
      if (!isNear) {
        return (
          <div className="prose unparsed" dir="auto">
            {part.content}
          </div>
        );
      }
      return <MarkdownText text={part.content} live={end !== "whole"} />;
    case "reasoning":
      return <Reasoning text={part.content} isLive={end === "growing"} />;
    case "refusal":
      return <Refusal text={part.content} />;
    case "tool_call":
      return <ToolCall call={part} />;
  }
});
