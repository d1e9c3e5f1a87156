import { type CSSProperties, memo, type ReactNode } from "react";
import type { ChatMessage } from "tidewire-client";

import { AssistantMessage } from "./AssistantMessage.js";
import { useNear } from "./useNear.js";
import { UserMessage } from "./UserMessage.js";

interface MessageRowProps {
  readonly message: ChatMessage;
  readonly isLast: boolean;
  /** Whether it is one of the first to be seen. */
  readonly isEager: boolean;
}

/** One message. */
export const MessageRow = memo(function MessageRow({ message, isLast, isEager }: MessageRowProps): ReactNode {
  const [element, isNear] = useNear<HTMLElement>(isEager || message.status === "streaming");
  const isUser = message.role === "user";
  return (
    <article
      ref={element}
      id={rowId(message.key)}
      className={`row ${message.role}`}
      style={isLast ? REMEMBERED : skippedAs(heightOf(message))}
      aria-label={isUser ? "You" : "Assistant"}
      aria-busy={message.status === "streaming"}
    >
      <h2 className="visually-hidden">{isUser ? "You" : "Assistant"}</h2>
      {isUser ? (
        <UserMessage message={message} />
      ) : (
        <AssistantMessage message={message} isLast={isLast} isNear={isNear} />
      )}
    </article>
  );
});

export function rowId(key: string): string {
  return `message-${key}`;
}

/** The last row is not skipped, but its height is remembered: once it can be, nothing jumps. */
const REMEMBERED: CSSProperties = { containIntrinsicBlockSize: "auto 64px" };

/** A guess of the height, for rows that the browser has not laid out yet; pixels. */
export function heightOf({ content, parts }: ChatMessage): number {
  const lines = Math.min(Math.ceil(content.length / 70), 80) + parts.length;
  return 64 + lines * 27;
}

/** Has the browser skip what is far away, and take it to be so many pixels high until it has laid it out once. */
export function skippedAs(height: number): CSSProperties {
  return { contentVisibility: "auto", containIntrinsicBlockSize: `auto ${height}px` };
}
