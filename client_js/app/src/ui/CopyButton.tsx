import { type ReactNode, useEffect, useState } from "react";

import { announce } from "../announcer.js";
import { notify } from "../shell/notices.js";
import { copy } from "./copy.js";
import { IconButton } from "./IconButton.js";
import { CheckIcon, CopyIcon } from "./icons.js";

interface CopyButtonProps {
  readonly label: string;
  readonly text: string;
}

/** Puts `text` on the clipboard, and says so for a moment. */
export function CopyButton({ label, text }: CopyButtonProps): ReactNode {
  const [isCopied, setCopied] = useState(false);

  useEffect(() => {
    if (!isCopied) return undefined;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [isCopied]);

  const press = async (): Promise<void> => {
    try {
      await copy(text);
      setCopied(true);
      announce("Copied");
    } catch {
      notify("The browser does not allow copying here");
    }
  };

  return (
    <IconButton label={label} onClick={() => void press()}>
      {isCopied ? <CheckIcon /> : <CopyIcon />}
    </IconButton>
  );
}
