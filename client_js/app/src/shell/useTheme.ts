import { useCallback, useEffect, useState } from "react";

import { readStored, store } from "../storage.js";
import { useMediaQuery } from "../ui/useMediaQuery.js";

type Theme = "light" | "dark";

function chosenTheme(): Theme | null {
  const stored = readStored("theme");
  return stored === "light" || stored === "dark" ? stored : null;
}

/** The theme, and how to change it. Choosing what the system has follows the system again. */
export function useTheme(): { readonly isDark: boolean; toggle(): void } {
  const system: Theme = useMediaQuery("(prefers-color-scheme: dark)") ? "dark" : "light";
  const [chosen, choose] = useState(chosenTheme);
  const theme = chosen ?? system;

  useEffect(() => {
    // public/theme.js does the same before the first paint.
    if (chosen === null) delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = chosen;
    store("theme", chosen);
  }, [chosen]);

  const toggle = useCallback(() => {
    const other: Theme = theme === "dark" ? "light" : "dark";
    choose(other === system ? null : other);
  }, [theme, system]);

  return { isDark: theme === "dark", toggle };
}
