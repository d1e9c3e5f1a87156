import { type KeyboardEvent, type ReactNode, useEffect, useEffectEvent, useState } from "react";
import { useConversations } from "tidewire-client/react";

import { LONGEST_SEARCH } from "../list/longestSearch.js";
import { titleOf } from "../list/titleOf.js";
import { useSettled } from "../list/useSettled.js";
import { navigate, pathOf } from "../route.js";
import { isComposing } from "../ui/isComposing.js";

interface SwitcherProps {
  /** Called before the page goes somewhere. */
  onChoose(): void;
}

interface Option {
  readonly path: string;
  readonly title: string;
}

/** Finds a conversation by a few letters, or begins one; all from the keyboard. */
export function Switcher({ onChoose }: SwitcherProps): ReactNode {
  const [words, setWords] = useState("");
  const [active, setActive] = useState(0);
  /** Whether Enter was pressed before there was anything to choose from. */
  const [isEager, setEager] = useState(false);
  const search = useSettled(words.trim());
  const { conversations, status } = useConversations(search === "" ? {} : { search });

  const options: readonly Option[] = [
    ...conversations.map((conversation) => ({ path: pathOf(conversation.id), title: titleOf(conversation) })),
    { path: "/", title: "Begin a new conversation" },
  ];
  const current = Math.min(active, options.length - 1);
  /** Whether these are the options for what is written by now. */
  const isSettled = search === words.trim() && status !== "loading";

  const go = (path: string): void => {
    onChoose();
    navigate(path);
  };
  const goAtLast = useEffectEvent(() => {
    setEager(false);
    const found = options[current];
    if (found !== undefined && conversations.length > 0) go(found.path);
  });
  useEffect(() => {
    if (isEager && isSettled) goAtLast();
  }, [isEager, isSettled]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const next = stepOf(event.key, current, options.length);
    if (next !== null) {
      event.preventDefault();
      setActive(next);
      document.getElementById(optionId(next))?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && !isComposing(event)) {
      event.preventDefault();
      const chosen = options[current];
      if (!isSettled) setEager(true);
      else if (chosen !== undefined) go(chosen.path);
    }
  };

  return (
    <div className="switcher">
      <input
        type="text"
        role="combobox"
        aria-label="Search conversations"
        dir="auto"
        aria-expanded="true"
        aria-controls="switcher-options"
        aria-activedescendant={optionId(current)}
        aria-autocomplete="list"
        placeholder="Search conversations"
        maxLength={LONGEST_SEARCH}
        autoComplete="off"
        autoFocus
        value={words}
        onChange={(event) => {
          setWords(event.target.value);
          setActive(0);
          setEager(false);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id="switcher-options" role="listbox" aria-label="Conversations" aria-busy={status === "loading"}>
        {options.map(({ path, title }, index) => (
          <li
            key={path}
            id={optionId(index)}
            role="option"
            dir="auto"
            aria-selected={index === current}
            onClick={() => go(path)}
            onPointerMove={() => setActive(index)}
          >
            {title}
          </li>
        ))}
      </ul>
      <p className="switcher-hint" aria-hidden="true">
        ↑ ↓ to choose, Enter to open, Esc to close
      </p>
    </div>
  );
}

function optionId(index: number): string {
  return `switcher-option-${index}`;
}

/** Where a key leads among `count` options; null if it is no such key. */
function stepOf(key: string, from: number, count: number): number | null {
  switch (key) {
    case "ArrowDown":
      return (from + 1) % count;
    case "ArrowUp":
      return (from - 1 + count) % count;
    default:
      return null;
  }
}
