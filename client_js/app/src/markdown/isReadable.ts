/** Longer pieces are not parsed; characters. */
const LONGEST_PARSED = 8_000;
/** So many marks are no Markdown, but what a parser chokes on: its time grows with their square. */
const MOST_MARKS = 600;
const MARK = /[*_~`[\]<!]/;
/** Quotations and lists that are nested so deeply, likewise. */
const TOO_DEEP = /^(?:[ \t]*(?:>|[-+*]|\d{1,9}[.)])){20}/m;

/** Whether a text can be parsed in reasonable time; if not, it is shown as it is written. */
export function isReadable(text: string): boolean {
  if (text.length > LONGEST_PARSED || TOO_DEEP.test(text)) return false;
  return text.split(MARK, MOST_MARKS).length < MOST_MARKS;
}
