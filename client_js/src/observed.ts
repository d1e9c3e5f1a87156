/** A value that can be watched, in the shape that `useSyncExternalStore` takes. */
export interface Readable<T> {
  /** The value now; the same object until it changes. */
  getSnapshot(): T;
  /** Have `listener` called after each change. Gives a function that ends that. */
  subscribe(listener: () => void): () => void;
}

/** Functions to be called after a change. */
export class Listeners<A extends unknown[] = []> {
  readonly #listeners = new Set<(...args: A) => void>();

  get size(): number {
    return this.#listeners.size;
  }

  add(listener: (...args: A) => void): () => void {
    // Wrapped, so that one added twice is called twice, and removed once.
    const own = (...args: A): void => listener(...args);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  call(...args: A): void {
    for (const listener of [...this.#listeners]) {
      if (this.#listeners.has(listener)) listener(...args);
    }
  }
}

/** Wait until something is so, which is looked at now and after each change. */
export function until(changes: Listeners, is: () => boolean): Promise<void> {
  if (is()) return Promise.resolve();
  return new Promise((resolve) => {
    const leave = changes.add(() => {
      if (!is()) return;
      leave();
      resolve();
    });
  });
}
