import { type ReactNode, useSyncExternalStore } from "react";

import { lastAnnouncement, subscribeToAnnouncements } from "../announcer.js";

/** The only live region: the messages themselves would be read out token by token. */
export function StatusLine(): ReactNode {
  const text = useSyncExternalStore(subscribeToAnnouncements, lastAnnouncement);
  return (
    <div role="status" aria-live="polite" className="visually-hidden">
      {text}
    </div>
  );
}
