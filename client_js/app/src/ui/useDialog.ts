import { type RefObject, useMemo, useRef, useState } from "react";

export interface DialogControl {
  readonly ref: RefObject<HTMLDialogElement | null>;
  open(): void;
  close(): void;
  /** For the element's own close event: Esc closes it as well. */
  onClose(): void;
}

/** Opens and closes a native <dialog>, which keeps the focus inside and gives it back. */
export function useDialog(): readonly [control: DialogControl, isOpen: boolean] {
  const ref = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);
  const control = useMemo<DialogControl>(
    () => ({
      ref,
      open: () => {
        if (ref.current === null || ref.current.open) return;
        ref.current.showModal();
        setOpen(true);
      },
      close: () => ref.current?.close(),
      onClose: () => setOpen(false),
    }),
    [],
  );
  return [control, isOpen];
}
