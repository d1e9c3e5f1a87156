/** localStorage, unless the browser forbids it. */
export function ownStorage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

/** What localStorage holds under `key`; null if nothing, or if it may not be used. */
export function readStored(key: string): string | null {
  try {
    return localStorage.getItem(`tidewire.${key}`);
  } catch {
    return null;
  }
}

/** Keep `value` under `key`; null takes it away. A full or forbidden storage is no reason to fail. */
export function store(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`tidewire.${key}`);
    else localStorage.setItem(`tidewire.${key}`, value);
  } catch {
    // It is not remembered, then.
  }
}
