import type { ReactNode } from "react";
import type { ConnectionStatus } from "tidewire-client";
import { useConnectionState } from "tidewire-client/react";

const WORDS: Readonly<Record<ConnectionStatus, string>> = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
};

/** How the page reaches the server, in a word. */
export function ConnectionPill(): ReactNode {
  const { status, problem } = useConnectionState();
  return (
    <div className="pill" role="group" aria-label="Connection" data-status={status} title={problem ?? undefined}>
      {WORDS[status]}
    </div>
  );
}
