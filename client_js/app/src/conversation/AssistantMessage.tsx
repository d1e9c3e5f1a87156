import { type ReactNode, startTransition, useState } from "react";
import type { ChatMessage, MessageStatus } from "tidewire-client";

import { CopyButton } from "../ui/CopyButton.js";
import { IconButton } from "../ui/IconButton.js";
import { RegenerateIcon } from "../ui/icons.js";
import { useRowActions } from "./actions.js";
import { MessagePart, type PartEnd } from "./MessagePart.js";
import { OutcomeNote } from "./OutcomeNote.js";
import { foldedParts } from "./foldedParts.js";
import { isLong, ShowAll } from "./ShowAll.js";
import { Skeleton } from "./Skeleton.js";

const ENDS: Readonly<Record<MessageStatus, PartEnd>> = {
  streaming: "growing",
  ok: "whole",
  stopped: "cut off",
  error: "cut off",
  interrupted: "cut off",
};

interface AssistantMessageProps {
  readonly message: ChatMessage;
  readonly isLast: boolean;
  /** Whether it is worth being parsed. */
  readonly isNear: boolean;
}

/** An answer, in the order in which it came. */
export function AssistantMessage({ message, isLast, isNear }: AssistantMessageProps): ReactNode {
  const { regenerate } = useRowActions();
  const { content, parts, status } = message;
  const isLive = status === "streaming";
  // What was seen growing does not fold when it is done.
  const [isWhole, setWhole] = useState(isLive);
  const isCut = !isWhole && isLong(content.length);
  const shown = isCut ? foldedParts(parts) : parts;

  return (
    <>
      {shown.map((part, index) => (
        <MessagePart
          key={index}
          part={part}
          end={index < shown.length - 1 || isCut ? "whole" : ENDS[status]}
          isNear={isNear}
        />
      ))}
      {isLive && parts.length === 0 && <Skeleton />}
      {isCut && <ShowAll length={content.length} onShow={() => startTransition(() => setWhole(true))} />}
      <OutcomeNote message={message} onRegenerate={isLast ? () => regenerate(message.id) : null} />
      <div className="row-footer">
        {!isLive && (
          <div className="actions">
            {content !== "" && <CopyButton label="Copy answer" text={content} />}
            {isLast && status === "ok" && (
              <IconButton label="Regenerate" onClick={() => regenerate(message.id)}>
                <RegenerateIcon />
              </IconButton>
            )}
            {message.model !== undefined && <span className="made-by">{message.model}</span>}
          </div>
        )}
      </div>
    </>
  );
}
