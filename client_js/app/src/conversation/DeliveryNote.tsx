import type { ReactNode } from "react";
import type { ChatMessage, ConnectionStatus } from "tidewire-client";
import { useConnectionState } from "tidewire-client/react";

import { useRowActions } from "./actions.js";

/** What a message waits for. */
const UNTIL: Readonly<Record<ConnectionStatus, string>> = {
  offline: "Will be sent when you are online",
  connecting: "Will be sent when the server is back",
  reconnecting: "Will be sent when the server is back",
  live: "Will be sent after this answer",
};

interface DeliveryNoteProps {
  readonly messageKey: string;
  readonly delivery: NonNullable<ChatMessage["delivery"]>;
  readonly problem: string | undefined;
}

/** How far a message that the server has not taken yet has come. */
export function DeliveryNote({ messageKey, delivery, problem }: DeliveryNoteProps): ReactNode {
  const { retry, discard } = useRowActions();
  const { status } = useConnectionState();
  if (delivery === "pending") return <p className="note late">Sending…</p>;
  return (
    <div className="note" data-delivery={delivery}>
      <p>{delivery === "queued" ? UNTIL[status] : `Not sent. ${problem ?? ""}`}</p>
      {delivery === "failed" && (
        <button type="button" className="text-button" onClick={() => retry(messageKey)}>
          Retry
        </button>
      )}
      <button type="button" className="text-button" onClick={() => discard(messageKey)}>
        Discard
      </button>
    </div>
  );
}
