/** What the page's only status line says to those who listen to it. */
let said = "";
const listeners = new Set<() => void>();

/** Say `text` politely. Saying the same again is heard again. */
export function announce(text: string): void {
  // A line that does not change is not read out: an invisible character makes it another one.
  said = text === said ? `${text}\u200B` : text;
  for (const listener of listeners) listener();
}

export function subscribeToAnnouncements(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function lastAnnouncement(): string {
  return said;
}
