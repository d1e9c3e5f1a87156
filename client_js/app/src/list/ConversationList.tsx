import { type ReactNode, useRef } from "react";
import type { Conversation } from "tidewire-client";
import { useConversations } from "tidewire-client/react";

import { announce } from "../announcer.js";
import { notify } from "../shell/notices.js";
import { navigate } from "../route.js";
import { ConversationItem } from "./ConversationItem.js";
import { byAge } from "./byAge.js";
import { rememberOpen } from "./openRemovals.js";
import { titleOf } from "./titleOf.js";
import { useRetrying } from "./useRetrying.js";

interface ConversationListProps {
  readonly search: string;
  readonly currentId: string | null;
  onLeave(): void;
}

/** The conversations that match, the last written in first. */
export function ConversationList({ search, currentId, onLeave }: ConversationListProps): ReactNode {
  const list = useConversations(search === "" ? {} : { search });
  const { conversations, status, problem, refetch, hasMore, loadingMore, loadMore } = list;
  const box = useRef<HTMLDivElement>(null);
  useRetrying(status === "failed", refetch);

  const rename = (id: string, title: string): void => {
    list.rename(id, title).catch((error: unknown) => notify(error instanceof Error ? error.message : "Not renamed"));
  };
  const remove = (conversation: Conversation): void => {
    focusNeighbour(box.current);
    list.remove(conversation.id);
    announce(`Deleted ${titleOf(conversation)}. It can be undone.`);
    if (conversation.id !== currentId) return;
    rememberOpen(conversation.id);
    navigate("/");
  };

  return (
    <div className="conversations" ref={box} aria-busy={status === "loading"}>
      {status === "loading" && conversations.length === 0 && <LoadingItems />}
      {status === "failed" && conversations.length === 0 && (
        <div className="list-note">
          <p>The conversations could not be loaded. {problem}</p>
          <button type="button" className="text-button" onClick={refetch}>
            Try again
          </button>
        </div>
      )}
      {status === "ready" && conversations.length === 0 && (
        <p className="list-note">{search === "" ? "No conversations yet." : `Nothing found for “${search}”.`}</p>
      )}
      {byAge(conversations).map(({ name, conversations: group }) => (
        <section key={name} aria-label={name}>
          <h2>{name}</h2>
          <ul>
            {group.map((conversation) => (
              <ConversationItem
                key={conversation.id}
                conversation={conversation}
                isCurrent={conversation.id === currentId}
                onLeave={onLeave}
                onRename={rename}
                onRemove={remove}
              />
            ))}
          </ul>
        </section>
      ))}
      {hasMore && (
        <button type="button" className="text-button" onClick={loadMore} disabled={loadingMore}>
          {loadingMore ? "Loading…" : "Show more"}
        </button>
      )}
    </div>
  );
}

function LoadingItems(): ReactNode {
  return (
    <>
      <p className="visually-hidden">Loading conversations…</p>
      {[1, 2, 3, 4].map((n) => (
        <div key={n} className="skeleton item" aria-hidden="true" />
      ))}
    </>
  );
}

/** The focus is on a button that is about to go. */
function focusNeighbour(box: HTMLElement | null): void {
  const item = document.activeElement?.closest("li");
  const neighbour = item?.nextElementSibling ?? item?.previousElementSibling ?? box;
  neighbour?.querySelector<HTMLElement>("a")?.focus();
}
