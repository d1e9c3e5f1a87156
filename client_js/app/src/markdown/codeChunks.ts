/** Lines in a chunk. */
const LINES = 40;

/** Cuts code after every 40th line: what is before the last chunk does not change when code is added. */
export function chunksOfLines(code: string): string[] {
  const chunks: string[] = [];
  let from = 0;
  let lines = 0;
  for (let end = code.indexOf("\n"); end !== -1; end = code.indexOf("\n", end + 1)) {
    lines++;
    if (lines % LINES === 0) {
      chunks.push(code.slice(from, end + 1));
      from = end + 1;
    }
  }
  chunks.push(code.slice(from));
  return chunks;
}
