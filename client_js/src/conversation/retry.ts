/** Milliseconds between two attempts, growing. */
const pauseAfter = (failures: number): number => Math.min(30_000, 1_000 * 2 ** (failures - 1));

/** Does something again, later after each failure in a row. */
export class Retry {
  readonly #run: () => void;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(run: () => void) {
    this.#run = run;
  }

  /** Whether the last attempt has failed. */
  get hasFailed(): boolean {
    return this.#failures > 0;
  }

  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  /** An attempt has failed: make the next one after a pause. */
  later(): void {
    this.#failures += 1;
    this.cancel();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#run();
    }, pauseAfter(this.#failures));
  }

  /** Make no more attempt. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Forget the failures: the next pause is a short one. */
  reset(): void {
    this.#failures = 0;
  }
}
