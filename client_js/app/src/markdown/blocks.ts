import { Lines } from "./Lines.js";
import {
  BLANK,
  cellsIn,
  closesFence,
  DEFINITION,
  FENCE,
  FOOTNOTES,
  HEADING,
  indentOf,
  INTERRUPTING_ITEM,
  ITEM,
  RULE,
  TABLE_RULE,
} from "./patterns.js";
import { piecesOf } from "./pieces.js";

/** A top-level piece of a Markdown text. What is parsed is small, so that no single parse takes long. */
export type Block =
  | { readonly type: "markdown"; readonly text: string }
  | { readonly type: "paragraph"; readonly pieces: readonly string[] }
  | { readonly type: "table"; readonly head: string; readonly groups: readonly string[] }
  | { readonly type: "list"; readonly start: number | null; readonly items: readonly string[] }
  | { readonly type: "code"; readonly language: string; readonly code: string; readonly closed: boolean };

interface Placed {
  readonly block: Block;
  /** Where it begins in the text. */
  readonly from: number;
}

/** Before so much of a line has come, it may still belong to the block above it; characters. */
const UNDECIDED = 16;

/** Paragraphs longer than this are parsed in pieces; characters. */
const LONG_PARAGRAPH = 1_500;
/** Rows of a table that are parsed together. */
const ROWS = 20;

/**
 * Cuts a text that grows into blocks, and keeps those that cannot change any more.
 *
 * Only the end is read again when the text goes on, and all else stays the same objects.
 */
export class BlockReader {
  #text = "";
  #placed: readonly Placed[] = [];
  #blocks: readonly Block[] = [];

  read(text: string): readonly Block[] {
    if (text === this.#text) return this.#blocks;
    const kept = text.startsWith(this.#text) ? this.#placed.slice(0, this.#finished()) : [];
    const from = this.#placed[kept.length]?.from ?? 0;
    this.#text = text;
    this.#placed = [...kept, ...readBlocks(text, kept.length === 0 ? 0 : from)];
    this.#blocks = this.#placed.map(({ block }) => block);
    return this.#blocks;
  }

  /** How many blocks cannot change any more. */
  #finished(): number {
    const last = this.#text.slice(this.#placed.at(-1)?.from);
    const isUndecided = last.length < UNDECIDED && !last.includes("\n");
    return Math.max(0, this.#placed.length - (isUndecided ? 2 : 1));
  }
}

/** The definitions of links by label, in order, as they are written. */
export function definitionsIn(blocks: readonly Block[]): ReadonlyMap<string, string> {
  const definitions = new Map<string, string>();
  for (const block of blocks) {
    if (block.type !== "markdown" || !block.text.includes("]:")) continue;
    for (const line of block.text.split("\n")) {
      const label = DEFINITION.exec(line)?.[1];
      if (label !== undefined) definitions.set(label.toLowerCase(), line);
    }
  }
  return definitions;
}

function* readBlocks(text: string, from: number): Generator<Placed> {
  const lines = new Lines(text, from);
  for (;;) {
    while (lines.here !== null && BLANK.test(lines.here)) lines.next();
    const first = lines.here;
    if (first === null) return;
    const begin = lines.position;
    yield { block: readBlock(text, lines, first, begin), from: begin };
  }
}

function readBlock(text: string, lines: Lines, first: string, begin: number): Block {
  const fence = FENCE.exec(first);
  if (fence?.[2] !== undefined && indentOf(first) < 4) return readCode(text, lines, fence[2], fence[3] ?? "");
  if (RULE.test(first) || HEADING.test(first)) {
    lines.next();
    return { type: "markdown", text: first };
  }
  const item = ITEM.exec(first);
  if (item?.[2] !== undefined) return readList(text, lines, item[2]);
  return readText(text, lines, first, begin);
}

function readCode(text: string, lines: Lines, fence: string, info: string): Block {
  lines.next();
  const from = lines.position;
  const language = info.trim().split(/\s/, 1)[0] ?? "";
  while (lines.here !== null) {
    if (closesFence(lines.here, fence)) {
      const code = text.slice(from, Math.max(from, lines.position - 1));
      lines.next();
      return { type: "code", language, code, closed: true };
    }
    lines.next();
  }
  // The last line may be the beginning of the fence that closes.
  const code = text.slice(from).replace(/(?:^|\n)[ \t]*(?:`{1,}|~{1,})$/, "");
  return { type: "code", language, code, closed: false };
}

/** A list is parsed item by item: it may be long. */
function readList(text: string, lines: Lines, marker: string): Block {
  const kind = marker.at(-1);
  const items: string[] = [];
  let itemFrom = lines.position;
  let contentIndent = 0; // columns from which on a line belongs to the item
  let fence: string | null = null; // of a code block in the item
  let blank = false;
  for (; lines.here !== null; lines.next()) {
    const line = lines.here;
    if (BLANK.test(line)) {
      blank = true;
      continue;
    }
    const item: RegExpExecArray | null = RULE.test(line) ? null : ITEM.exec(line);
    const inside = contentIndent > 0 && indentOf(line) >= contentIndent;
    if (inside) {
      const opening: string | undefined = FENCE.exec(line)?.[2];
      if (fence === null) fence = opening ?? null;
      else if (closesFence(line.slice(contentIndent), fence)) fence = null;
    } else if (item?.[2] !== undefined && item[2].at(-1) === kind) {
      if (lines.position > itemFrom) items.push(text.slice(itemFrom, lines.position));
      itemFrom = lines.position;
      contentIndent = contentIndentOf(item);
      fence = FENCE.exec(line.slice(contentIndent))?.[2] ?? null;
    } else if (blank || item !== null || !continuesLazily(line)) {
      break;
    }
    blank = false;
  }
  items.push(text.slice(itemFrom, lines.position));
  return { type: "list", start: /\d/.test(marker) ? Number.parseInt(marker, 10) : null, items };
}

function contentIndentOf(item: RegExpExecArray): number {
  const [, indent = "", marker = "", space = ""] = item;
  return indent.length + marker.length + (space.length === 0 || space.length > 4 ? 1 : space.length);
}

/** Whether a line that is not indented goes on with the paragraph before it. */
function continuesLazily(line: string): boolean {
  return !FENCE.test(line) && !HEADING.test(line) && !RULE.test(line) && !line.startsWith(">");
}

/** A paragraph, table, quotation, indented code: what ends at a blank line. */
function readText(text: string, lines: Lines, first: string, begin: number): Block {
  const isIndentedCode = indentOf(first) >= 4;
  lines.next();
  let end = begin + first.length;
  for (; lines.here !== null; lines.next()) {
    const line = lines.here;
    if (BLANK.test(line)) {
      if (isIndentedCode) continue;
      break;
    }
    if (isIndentedCode && indentOf(line) < 4) break;
    if (!isIndentedCode && interrupts(line)) break;
    end = lines.position + line.length;
  }
  // Footnotes would end up below their own block, or, without a reference there, nowhere: they stay text.
  const body = text.slice(begin, end).replace(FOOTNOTES, "$1\\[");
  const table = tableIn(body);
  if (table !== null) return table;
  const isProse = !isIndentedCode && !/^[ \t]*[>|<]/m.test(body);
  if (body.length > LONG_PARAGRAPH && isProse) return { type: "paragraph", pieces: piecesOf(body) };
  return { type: "markdown", text: body };
}

function interrupts(line: string): boolean {
  return (
    (FENCE.test(line) && indentOf(line) < 4) ||
    HEADING.test(line) ||
    (INTERRUPTING_ITEM.test(line) && !RULE.test(line))
  );
}

/** A table is parsed in groups of rows: it may be long. */
function tableIn(body: string): Block | null {
  const [header = "", rule, ...rows] = body.split("\n");
  if (!header.includes("|") || rule?.includes("|") !== true || !TABLE_RULE.test(rule)) return null;
  if (cellsIn(header) !== cellsIn(rule)) return null;
  const groups: string[] = [];
  for (let from = 0; from < rows.length; from += ROWS) groups.push(rows.slice(from, from + ROWS).join("\n"));
  return { type: "table", head: `${header}\n${rule}`, groups };
}
