import { type ReactNode, useState } from "react";

import { navigate } from "../route.js";
import { IconButton } from "../ui/IconButton.js";
import { CloseIcon, MarkIcon, PlusIcon } from "../ui/icons.js";
import { ConversationList } from "./ConversationList.js";
import { LONGEST_SEARCH } from "./longestSearch.js";
import { useSettled } from "./useSettled.js";

interface SidebarProps {
  /** The conversation that is shown, if one is. */
  readonly currentId: string | null;
  /** Called before the page goes to another conversation. */
  onLeave(): void;
  /** Closes the list, where it lies over the page. */
  readonly onClose: (() => void) | null;
}

/** All conversations. */
export function Sidebar({ currentId, onLeave, onClose }: SidebarProps): ReactNode {
  const [words, setWords] = useState("");
  const search = useSettled(words.trim());
  const begin = (): void => {
    onLeave();
    navigate("/");
  };
  return (
    <nav className="sidebar" aria-label="Conversations">
      <div className="sidebar-head">
        <span className="brand">
          <MarkIcon />
          Tidewire
        </span>
        {onClose !== null && (
          <IconButton label="Close conversations" onClick={onClose}>
            <CloseIcon />
          </IconButton>
        )}
      </div>
      <button type="button" className="new-button" onClick={begin}>
        <PlusIcon />
        New conversation
      </button>
      <input
        type="search"
        className="search-field"
        aria-label="Search conversations"
        dir="auto"
        placeholder="Search"
        maxLength={LONGEST_SEARCH}
        value={words}
        onChange={(event) => setWords(event.target.value)}
      />
      <ConversationList search={search} currentId={currentId} onLeave={onLeave} />
    </nav>
  );
}
