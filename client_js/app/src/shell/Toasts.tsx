import type { ReactNode } from "react";
import type { Conversation } from "tidewire-client";
import { useConversations } from "tidewire-client/react";

import { announce } from "../announcer.js";
import { takeOpen } from "../list/openRemovals.js";
import { titleOf } from "../list/titleOf.js";
import { navigate, pathOf } from "../route.js";
import { useNotices } from "./notices.js";

/** What has just happened, for a few seconds, and how to undo it. */
export function Toasts(): ReactNode {
  const { removed, undoRemove } = useConversations();
  const notices = useNotices();
  if (removed.length + notices.length === 0) return null;

  const undo = (conversation: Conversation): void => {
    const path = pathOf(conversation.id);
    undoRemove(conversation.id);
    announce(`${titleOf(conversation)} is back`);
    if (takeOpen(conversation.id)) navigate(path);
    // The link is there again only when this has been rendered.
    else requestAnimationFrame(() => document.querySelector<HTMLElement>(`nav a[href="${path}"]`)?.focus());
  };

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
          <button type="button" className="text-button" onClick={() => undo(conversation)}>
            Undo
          </button>
        </div>
      ))}
    </section>
  );
}
