import type { ReactNode } from "react";

import { IconButton } from "../ui/IconButton.js";
import { MoonIcon, SunIcon } from "../ui/icons.js";
import { useTheme } from "./useTheme.js";

/** Switches between light and dark. */
export function ThemeSwitch(): ReactNode {
  const { isDark, toggle } = useTheme();
  return (
    <IconButton label="Dark theme" role="switch" aria-checked={isDark} onClick={toggle}>
      {isDark ? <SunIcon /> : <MoonIcon />}
    </IconButton>
  );
}
