import type { Part } from "tidewire-client";

import { previewOf } from "./ShowAll.js";

/** The parts of a long answer up to the first long text, which is cut. */
export function foldedParts(parts: readonly Part[]): readonly Part[] {
  const folded: Part[] = [];
  let length = 0;
  for (const part of parts) {
    if (part.type !== "text") {
      folded.push(part);
      continue;
    }
    const content = previewOf(part.content);
    folded.push(content.length < part.content.length ? { ...part, content } : part);
    length += content.length;
    if (length > 1_000) break;
  }
  return folded;
}
