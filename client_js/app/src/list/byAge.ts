import type { Conversation } from "tidewire-client";

interface Group {
  readonly name: string;
  readonly conversations: readonly Conversation[];
}

const DAY = 86_400_000; // milliseconds

/** Each reaches so many days back from this morning. */
const AGES = [
  { name: "Today", days: 0 },
  { name: "Yesterday", days: 1 },
  { name: "Last seven days", days: 7 },
  { name: "Older", days: Infinity },
] as const;

/** Conversations under the words one has for when they were last written in; empty groups are left out. */
export function byAge(conversations: readonly Conversation[], now = new Date()): readonly Group[] {
  const today = new Date(now).setHours(0, 0, 0, 0);
  return AGES.map(({ name, days }, index) => {
    const before = AGES[index - 1];
    const from = today - days * DAY;
    const to = before === undefined ? Infinity : today - before.days * DAY;
    return {
      name,
      conversations: conversations.filter(({ updatedAt }) => updatedAt.getTime() >= from && updatedAt.getTime() < to),
    };
  }).filter((group) => group.conversations.length > 0);
}
