import { type ReactNode, useRef, useState } from "react";
import type { ChatMessage } from "tidewire-client";

import { CopyButton } from "../ui/CopyButton.js";
import { IconButton } from "../ui/IconButton.js";
import { EditIcon } from "../ui/icons.js";
import { useRowActions } from "./actions.js";
import { DeliveryNote } from "./DeliveryNote.js";
import { EditForm } from "./EditForm.js";
import { isLong, previewOf, ShowAll } from "./ShowAll.js";

/** What somebody wrote, as they wrote it. */
export function UserMessage({ message }: { readonly message: ChatMessage }): ReactNode {
  const [isEditing, setEditing] = useState(false);
  const [isWhole, setWhole] = useState(false);
  const editButton = useRef<HTMLButtonElement>(null);
  const { edit } = useRowActions();
  const { content, delivery } = message;

  if (isEditing) {
    return (
      <EditForm
        text={content}
        onCancel={() => {
          setEditing(false);
          // The button is there again only when this has been rendered.
          requestAnimationFrame(() => editButton.current?.focus());
        }}
        onSend={(text) => {
          setEditing(false);
          edit(message.id, text);
        }}
      />
    );
  }
  const isCut = !isWhole && isLong(content.length);
  return (
    <>
      <div className="bubble" dir="auto">
        {isCut ? previewOf(content) : content}
        {isCut && <ShowAll length={content.length} onShow={() => setWhole(true)} />}
      </div>
      <div className="row-footer">
        {delivery === undefined ? (
          <div className="actions">
            <CopyButton label="Copy message" text={content} />
            <IconButton ref={editButton} label="Edit message" className="edit" onClick={() => setEditing(true)}>
              <EditIcon />
            </IconButton>
          </div>
        ) : (
          <DeliveryNote messageKey={message.key} delivery={delivery} problem={message.problem} />
        )}
      </div>
    </>
  );
}
