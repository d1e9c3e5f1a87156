import { type ReactNode, useEffect, useState } from "react";
import type { ChatMessage, ConversationView } from "tidewire-client";

import { ArrowDownIcon } from "../ui/icons.js";
import { heightOf, MessageRow, rowId, skippedAs } from "./MessageRow.js";
import { OlderMessages } from "./OlderMessages.js";
import { Skeleton } from "./Skeleton.js";
import { type Batch, useBatches } from "./useBatches.js";
import { useKeepPosition } from "./useKeepPosition.js";
import { useStickToBottom } from "./useStickToBottom.js";

/** So much of the newest messages is parsed at once: what fits on a screen; characters. */
const FIRST_SEEN = 4_000;

interface MessageListProps {
  readonly view: ConversationView;
  readonly onLoadOlder: () => void;
}

/** The messages, oldest first, following what is new. */
export function MessageList({ view, onLoadOlder }: MessageListProps): ReactNode {
  const { messages, activity, hasOlder, loadingOlder, problem } = view;
  const { scroller, content, isAtBottom, jumpToBottom } = useStickToBottom();
  const last = messages.at(-1);
  useKeepPosition(scroller, messages[0]?.key, elementOfRow);

  const batches = useBatches(messages);
  const [firstSeen] = useState(() => firstSeenOf(messages));

  const ownKey = last?.role === "user" ? last.key : null;
  useEffect(() => {
    if (ownKey !== null) jumpToBottom();
  }, [ownKey, jumpToBottom]);

  const isUnderWay = last?.role === "user" && (last.delivery === undefined || last.delivery === "pending");
  const isWaiting = isUnderWay && (activity === "sending" || activity === "waiting");

  return (
    <div className="log-area">
      <div
        className="log"
        role="log"
        aria-label="Messages"
        aria-live="off"
        tabIndex={0}
        ref={scroller}
        data-activity={activity}
      >
        <div className="log-content" ref={content}>
          {hasOlder && <OlderMessages isLoading={loadingOlder} isPaused={problem !== null} onLoad={onLoadOlder} />}
          {batches.map((batch) => (
            <div key={batch.key} style={batch === batches.at(-1) ? undefined : skippedAs(heightOfAll(batch))}>
              {batch.messages.map((message) => (
                <MessageRow
                  key={message.key}
                  message={message}
                  isLast={message === last}
                  isEager={message.createdAt >= firstSeen}
                />
              ))}
            </div>
          ))}
          {isWaiting && (
            <div className="row assistant">
              <Skeleton />
              <div className="row-footer" />
            </div>
          )}
        </div>
      </div>
      {!isAtBottom && (
        <button
          type="button"
          className="jump"
          onClick={() => {
            jumpToBottom();
            scroller.current?.focus({ preventScroll: true });
          }}
        >
          <ArrowDownIcon />
          Jump to latest
        </button>
      )}
    </div>
  );
}

function elementOfRow(key: string): HTMLElement | null {
  return document.getElementById(rowId(key));
}

function heightOfAll({ messages }: Batch): number {
  return messages.reduce((height, message) => height + heightOf(message), 0);
}

/** When the oldest of the messages that are seen at first was written. */
function firstSeenOf(messages: readonly ChatMessage[]): Date {
  let length = 0;
  const oldest = messages.findLast(({ content }) => (length += content.length) > FIRST_SEEN);
  return oldest?.createdAt ?? new Date(0);
}
