/** Conversations that were open when they were removed: who undoes that is back where they were. */
const open = new Set<string>();

export function rememberOpen(id: string): void {
  open.add(id);
}

/** Whether a conversation was open when it was removed. Is forgotten with that. */
export function takeOpen(id: string): boolean {
  return open.delete(id);
}
