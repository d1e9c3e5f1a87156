import { createContext, useContext } from "react";

/** What the frame around a conversation can do. */
export interface Shell {
  /** Shows the list of conversations; null where it is always there. */
  readonly openDrawer: (() => void) | null;
  readonly openSwitcher: () => void;
}

export const ShellContext = createContext<Shell>({ openDrawer: null, openSwitcher: () => undefined });

export function useShell(): Shell {
  return useContext(ShellContext);
}
