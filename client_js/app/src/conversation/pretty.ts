/** More of a value is not shown; characters. */
const LONGEST = 50_000;
const LONGEST_LINE = 80;

/** Any value, for reading: text as it is, everything else as indented JSON. */
export function pretty(value: unknown): string {
  const text = typeof value === "string" ? prettyText(value) : json(value, 2);
  if (text.length <= LONGEST) return text;
  return `${text.slice(0, LONGEST)}\n… ${(text.length - LONGEST).toLocaleString("en")} more characters`;
}

/** The same in one short line. */
export function inOneLine(value: unknown): string {
  const gist = bare(value);
  const text = typeof gist === "string" ? gist.slice(0, 2 * LONGEST_LINE) : json(gist);
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= LONGEST_LINE ? line : `${line.slice(0, LONGEST_LINE)}…`;
}

/** The value of an object that has only one. */
function bare(value: unknown): unknown {
  if (!isPlainObject(value)) return value;
  const values = Object.values(value);
  return values.length === 1 ? values[0] : value;
}

/** Tools often answer with JSON as a text. */
function prettyText(text: string): string {
  if (text.length > LONGEST || !/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function json(value: unknown, indent?: number): string {
  if (value === undefined) return "nothing";
  const above: object[] = [];
  try {
    return JSON.stringify(value, describe, indent) ?? String(value);
  } catch {
    return String(value);
  }

  /** superjson brings values that JSON has not got. */
  function describe(this: unknown, _key: string, each: unknown): unknown {
    if (typeof each === "bigint") return each.toString();
    if (typeof each === "number" && !Number.isFinite(each)) return String(each);
    if (each instanceof Map) return Object.fromEntries(each);
    if (each instanceof Set) return [...each];
    if (each instanceof RegExp || each instanceof Error) return String(each);
    if (typeof each !== "object" || each === null) return each;
    while (above.length > 0 && above.at(-1) !== this) above.pop();
    if (above.includes(each)) return "(the same again)";
    above.push(each);
    return each;
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
