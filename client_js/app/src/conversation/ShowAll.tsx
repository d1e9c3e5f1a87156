import type { ReactNode } from "react";

/** Longer messages are folded; characters. */
const LONG = 20_000;
const PREVIEW = 2_000;

export function isLong(length: number): boolean {
  return length > LONG;
}

/** The beginning of a long text, cut between paragraphs or words where that can be. */
export function previewOf(text: string): string {
  const start = text.slice(0, PREVIEW);
  const end = Math.max(start.lastIndexOf("\n\n"), start.lastIndexOf(" "));
  return `${end > PREVIEW / 2 ? start.slice(0, end) : start} …`;
}

interface ShowAllProps {
  readonly length: number;
  onShow(): void;
}

/** Unfolds a long message. */
export function ShowAll({ length, onShow }: ShowAllProps): ReactNode {
  return (
    <button type="button" className="text-button show-all" onClick={onShow}>
      Show all ({length.toLocaleString("en")} characters)
    </button>
  );
}
