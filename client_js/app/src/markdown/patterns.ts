/** Patterns of single lines of Markdown, as far as cutting a text into blocks needs them. */

/** The fence that begins a code block: 1 indent, 2 fence, 3 info string. */
export const FENCE = /^( *)(`{3,}|~{3,})([^`]*)$/;
/** The marker that begins a list item: 1 indent, 2 marker, 3 what is between it and the text. */
export const ITEM = /^( {0,3})([-+*]|\d{1,9}[.)])([ \t]+|$)/;
/** An item that may follow a paragraph without a blank line: it has text, and begins at 1 if it is numbered. */
export const INTERRUPTING_ITEM = /^ {0,3}(?:[-+*]|1[.)])[ \t]+\S/;
export const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t\r]*$/;
export const HEADING = /^ {0,3}#{1,6}(?:[ \t]|$)/;
/** The line below a table's header. */
export const TABLE_RULE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t\r]*$/;
/** What a link by label refers to: 1 label. */
export const DEFINITION = /^ {0,3}\[([^\]^][^\]]*)\]:[ \t]*\S/;
/** All footnotes of a text: 1 indent. */
export const FOOTNOTES = /^( {0,3})\[(?=\^[^\]\n]+\]:)/gm;
export const BLANK = /^[ \t\r]*$/;

/** How many columns `line` is indented by. */
export function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** Whether `line` closes a code block that began with `fence`. */
export function closesFence(line: string, fence: string): boolean {
  const text = line.trim();
  return text.length >= fence.length && indentOf(line) < 4 && text === fence.charAt(0).repeat(text.length);
}

/** How many cells a row of a table has. */
export function cellsIn(row: string): number {
  return row.trim().replace(/^\||(?<!\\)\|$/g, "").split(/(?<!\\)\|/).length;
}
