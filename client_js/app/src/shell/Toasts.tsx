import type { ReactNode } from "react";
import { useConversations } from "tidewire-client/react";

import { announce } from "../announcer.js";
import { titleOf } from "../list/titleOf.js";
import { navigate, pathOf } from "../route.js";
import { useNotices } from "./notices.js";

/** What has just happened, for a few seconds, and how to undo it. */
export function Toasts(): ReactNode {
  const { removed, undoRemove } = useConversations();
  const notices = useNotices();
  if (removed.length + notices.length === 0) return null;
  return (
    <section className="toasts" aria-label="Notices">
      {notices.map(({ id, text }) => (
        <p key={id} className="toast">
          {text}
        </p>
      ))}
      {removed.map((conversation) => (
        <div key={conversation.id} className="toast">
          <p>Deleted “{titleOf(conversation)}”</p>
          <button
            type="button"
            className="text-button"
            onClick={() => {
              undoRemove(conversation.id);
              announce(`${titleOf(conversation)} is back`);
              navigate(pathOf(conversation.id));
            }}
          >
            Undo
          </button>
        </div>
      ))}
    </section>
  );
}
