import remend from "remend";

import { cellsIn } from "./patterns.js";

/** Makes Markdown that is cut off in the middle look like what it is going to be. */
export function heal(text: string): string {
  const calm = completeTable(withoutHalfMarker(text));
  return remend(calm, { linkMode: "text-only", katex: false });
}

/** What may become a fence, a list item or a line below a heading is nothing yet. */
function withoutHalfMarker(text: string): string {
  return text.replace(/(^|\n)[ \t]*(?:`{1,2}|~{1,2})$/, "$1").replace(/\n[ \t]*(?:[-+*=]+|\d{1,9}[.)]?)[ \t]*$/, "");
}

/** A header without its second line would be a paragraph full of bars, and become a table a moment later. */
function completeTable(text: string): string {
  const [header = "", second, ...more] = text.trimStart().split("\n");
  const isHalf = header.startsWith("|") && more.length === 0 && /^[|\s:-]*$/.test(second ?? "");
  if (!isHalf) return text;
  return `${header}\n|${" - |".repeat(cellsIn(header))}`;
}
