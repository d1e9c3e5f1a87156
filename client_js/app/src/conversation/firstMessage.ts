/** Messages for conversations that have just been created, until their screen takes them. */
const waiting = new Map<string, string>();

export function leaveFirstMessage(conversationId: string, text: string): void {
  waiting.set(conversationId, text);
}

export function takeFirstMessage(conversationId: string): string | undefined {
  const text = waiting.get(conversationId);
  waiting.delete(conversationId);
  return text;
}
