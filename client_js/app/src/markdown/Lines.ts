/** Walks over the lines of a text. */
export class Lines {
  /** The line at `position`, without its end; null after the last. */
  here: string | null = null;
  position: number;
  readonly #text: string;

  constructor(text: string, from: number) {
    this.#text = text;
    this.position = from;
    this.#load();
  }

  next(): void {
    if (this.here === null) return;
    this.position = Math.min(this.position + this.here.length + 1, this.#text.length);
    this.#load();
  }

  #load(): void {
    if (this.position >= this.#text.length) {
      this.here = null;
      return;
    }
    const end = this.#text.indexOf("\n", this.position);
    this.here = this.#text.slice(this.position, end === -1 ? undefined : end);
  }
}
