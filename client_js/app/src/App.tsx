import { type ReactNode, useMemo } from "react";

import { ConversationScreen } from "./conversation/ConversationScreen.js";
import { MissingConversation } from "./conversation/MissingConversation.js";
import { NewConversationScreen } from "./conversation/NewConversationScreen.js";
import { Sidebar } from "./list/Sidebar.js";
import { useTellRemovalProblems } from "./list/useTellRemovalProblems.js";
import { useLocation } from "./route.js";
import { type Shell, ShellContext } from "./shell/shell.js";
import { StatusLine } from "./shell/StatusLine.js";
import { Toasts } from "./shell/Toasts.js";
import { SwitcherDialog } from "./switcher/SwitcherDialog.js";
import { Dialog } from "./ui/Dialog.js";
import { useDialog } from "./ui/useDialog.js";
import { useMediaQuery } from "./ui/useMediaQuery.js";

/** The page: the list of conversations, and one of them. */
export function App(): ReactNode {
  const { route, visit } = useLocation();
  const isNarrow = useMediaQuery("(max-width: 50rem)");
  const [drawer, isDrawerOpen] = useDialog();
  const [switcher, isSwitching] = useDialog();
  useTellRemovalProblems();
  const currentId = route.type === "conversation" ? route.id : null;

  const shell = useMemo<Shell>(
    () => ({ openDrawer: isNarrow ? drawer.open : null, openSwitcher: switcher.open }),
    [isNarrow, drawer, switcher],
  );

  return (
    <ShellContext value={shell}>
      <a className="skip-link" href="#main">
        Skip to the conversation
      </a>
      <div className="shell">
        {isNarrow ? (
          <Dialog control={drawer} label="Conversations" className="drawer">
            <Sidebar currentId={currentId} onLeave={drawer.close} onClose={drawer.close} />
            {isDrawerOpen && <Toasts />}
          </Dialog>
        ) : (
          <Sidebar currentId={currentId} onLeave={() => undefined} onClose={null} />
        )}
        <main id="main" tabIndex={-1}>
          {route.type === "conversation" ? (
            <ConversationScreen key={route.id} id={route.id} visit={visit} />
          ) : route.type === "new" ? (
            <NewConversationScreen visit={visit} />
          ) : (
            <MissingConversation />
          )}
        </main>
      </div>
      {!(isNarrow && isDrawerOpen) && <Toasts />}
      <SwitcherDialog control={switcher} isOpen={isSwitching} />
      <StatusLine />
    </ShellContext>
  );
}
