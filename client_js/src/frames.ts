/** Milliseconds to wait where there are no frames. */
const FRAME = 16;

/** Milliseconds after which a frame is not waited for any longer: hidden pages get none. */
const PATIENCE = 100;

/** Calls `run` once for all requests that came since it was called last, when the next frame is drawn. */
export class Frame {
  readonly #run: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #frame: number | undefined;

  constructor(run: () => void) {
    this.#run = run;
  }

  request(): void {
    if (this.#timer !== undefined) return;
    const isDrawn = typeof requestAnimationFrame === "function" && !globalThis.document?.hidden;
    if (isDrawn) this.#frame = requestAnimationFrame(this.#call);
    this.#timer = setTimeout(this.#call, isDrawn ? PATIENCE : FRAME);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#timer = this.#frame = undefined;
  }

  readonly #call = (): void => {
    this.cancel();
    this.#run();
  };
}
