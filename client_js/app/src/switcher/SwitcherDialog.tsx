import { type ReactNode, useEffect } from "react";

import { Dialog } from "../ui/Dialog.js";
import type { DialogControl } from "../ui/useDialog.js";
import { Switcher } from "./Switcher.js";

interface SwitcherDialogProps {
  readonly control: DialogControl;
  readonly isOpen: boolean;
}

/** The dialog that Ctrl+K or ⌘K opens. */
export function SwitcherDialog({ control, isOpen }: SwitcherDialogProps): ReactNode {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      event.preventDefault();
      if (control.ref.current?.open === true) control.close();
      else if (document.querySelector("dialog[open]") === null) control.open();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [control]);

  return (
    <Dialog control={control} label="Switch conversation" className="switcher-dialog">
      {isOpen && <Switcher onChoose={control.close} />}
    </Dialog>
  );
}
