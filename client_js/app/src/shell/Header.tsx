import { memo, type ReactNode, useEffect } from "react";

import { IconButton } from "../ui/IconButton.js";
import { MenuIcon, SearchIcon } from "../ui/icons.js";
import { ConnectionPill } from "./ConnectionPill.js";
import { useShell } from "./shell.js";
import { ThemeSwitch } from "./ThemeSwitch.js";

/** The line above a conversation. */
export const Header = memo(function Header({ title }: { readonly title: string }): ReactNode {
  const { openDrawer, openSwitcher } = useShell();

  useEffect(() => {
    document.title = `${title} – Tidewire`;
  }, [title]);

  return (
    <header className="header">
      {openDrawer !== null && (
        <IconButton label="Open conversations" onClick={openDrawer}>
          <MenuIcon />
        </IconButton>
      )}
      <h1 title={title} dir="auto">
        {title}
      </h1>
      <ConnectionPill />
      <IconButton label="Switch conversation" aria-keyshortcuts="Control+K Meta+K" onClick={openSwitcher}>
        <SearchIcon />
      </IconButton>
      <ThemeSwitch />
    </header>
  );
});
