/** A piece is at least this long; characters. */
const PIECE = 800;
/** Where brackets or stars stay open for so long, a piece is cut all the same. */
const LONGEST_PIECE = 4_000;

/** Cuts before words where nothing is open: no emphasis, code or link. Where it cuts depends on what is before. */
export function piecesOf(paragraph: string): string[] {
  const pieces: string[] = [];
  let from = 0;
  let open = new Openings();
  for (let at = 0; at < paragraph.length; at++) {
    const character = paragraph.charAt(at);
    if (character === " " || character === "\n") {
      const length = at - from;
      const next = paragraph.charAt(at + 1);
      if (length >= PIECE && (open.none || length >= LONGEST_PIECE) && /\p{L}/u.test(next)) {
        pieces.push(paragraph.slice(from, at + 1));
        from = at + 1;
        open = new Openings();
      }
    }
    open.see(character);
  }
  pieces.push(paragraph.slice(from));
  return pieces;
}

/** Counts what is open in a line of text. */
class Openings {
  #depth = 0; // of brackets
  #last = "";
  readonly #odd = { "`": false, "*": false, "~": false };

  get none(): boolean {
    return this.#depth === 0 && !this.#odd["`"] && !this.#odd["*"] && !this.#odd["~"];
  }

  see(character: string): void {
    const isAgain = character === this.#last;
    this.#last = character;
    if (character === "`" || character === "*" || character === "~") {
      // Two or three in a row are one mark.
      if (!isAgain) this.#odd[character] = !this.#odd[character];
    } else if (character === "[" || character === "(") {
      this.#depth++;
    } else if ((character === "]" || character === ")") && this.#depth > 0) {
      this.#depth--;
    }
  }
}
