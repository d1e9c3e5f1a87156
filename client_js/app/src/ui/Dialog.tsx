import type { ReactNode } from "react";

import type { DialogControl } from "./useDialog.js";

interface DialogProps {
  readonly control: DialogControl;
  readonly label: string;
  readonly className: string;
  readonly children: ReactNode;
}

/** A modal dialog that a click beside it closes. */
export function Dialog({ control, label, className, children }: DialogProps): ReactNode {
  return (
    <dialog
      ref={control.ref}
      className={className}
      aria-label={label}
      onClose={control.onClose}
      onClick={(event) => {
        // A click beside it is one on the dialog itself: its content covers all of it.
        if (event.target === event.currentTarget) control.close();
      }}
    >
      {children}
    </dialog>
  );
}
