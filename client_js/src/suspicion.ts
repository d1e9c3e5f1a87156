/**
 * Whether WebSockets are blocked: one after the other does not open, though the server answers plain requests.
 *
 * It has to answer twice, with an attempt that began after the first time: a server that is just starting answers, too,
 * when the last attempt came too early.
 */
export class Suspicion {
  readonly #answersRequests: () => Promise<boolean>;
  #hasAnswered = false;
  #isAsking = false;

  constructor(answersRequests: () => Promise<boolean>) {
    this.#answersRequests = answersRequests;
  }

  /** To be asked when an attempt has failed, or hangs. */
  async isConfirmed(): Promise<boolean> {
    if (this.#isAsking) return false;
    this.#isAsking = true;
    const hadAnswered = this.#hasAnswered;
    this.#hasAnswered = await this.#answersRequests();
    this.#isAsking = false;
    return hadAnswered && this.#hasAnswered;
  }
}
