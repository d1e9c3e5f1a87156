import { type MouseEvent, type ReactNode, useRef, useState } from "react";
import type { Conversation } from "tidewire-client";

import { navigate, pathOf } from "../route.js";
import { IconButton } from "../ui/IconButton.js";
import { EditIcon, TrashIcon } from "../ui/icons.js";
import { RenameField } from "./RenameField.js";
import { titleOf } from "./titleOf.js";

interface ConversationItemProps {
  readonly conversation: Conversation;
  readonly isCurrent: boolean;
  onLeave(): void;
  onRename(id: string, title: string): void;
  onRemove(conversation: Conversation): void;
}

/** A conversation in the list: a link, and what can be done with it. */
export function ConversationItem(props: ConversationItemProps): ReactNode {
  const { conversation, isCurrent, onLeave, onRename, onRemove } = props;
  const [isRenaming, setRenaming] = useState(false);
  const link = useRef<HTMLAnchorElement>(null);
  const title = titleOf(conversation);
  const path = pathOf(conversation.id);

  const follow = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    onLeave();
    navigate(path);
  };
  const endRenaming = (next: string | null): void => {
    setRenaming(false);
    if (next !== null && next !== title) onRename(conversation.id, next);
    // The field is gone only when this has been rendered.
    requestAnimationFrame(() => link.current?.focus());
  };

  if (isRenaming) {
    return (
      <li className="item">
        <RenameField title={title} onEnd={endRenaming} />
      </li>
    );
  }
  return (
    <li className="item" data-current={isCurrent}>
      <a
        ref={link}
        href={path}
        dir="auto"
        aria-current={isCurrent ? "page" : undefined}
        title={title}
        onClick={follow}
      >
        {title}
      </a>
      <div className="item-actions">
        <IconButton label={`Rename ${title}`} onClick={() => setRenaming(true)}>
          <EditIcon />
        </IconButton>
        <IconButton label={`Delete ${title}`} onClick={() => onRemove(conversation)}>
          <TrashIcon />
        </IconButton>
      </div>
    </li>
  );
}
