import { useState } from "react";
import type { ChatMessage } from "tidewire-client";

/** Messages that came together. The last batch is what was there at first, and what is new. */
export interface Batch {
  /** Stays the same while older and newer batches come. */
  readonly key: string;
  readonly messages: readonly ChatMessage[];
}

/**
 * The messages in the batches in which they came.
 *
 * A browser looks at each row of a list before each frame, also at those it does not lay out: 1,000 of them take
 * 10 ms. Batches that are far away are skipped as a whole, which leaves 4.
 */
export function useBatches(messages: readonly ChatMessage[]): readonly Batch[] {
  const [seen, see] = useState({ first: messages[0]?.key, starts: NO_STARTS });
  const now = seenNow(seen, messages);
  if (now !== seen) see(now);
  return batchesOf(messages, now.starts);
}

interface Seen {
  /** The key of the oldest message. */
  readonly first: string | undefined;
  /** The keys of the messages with which batches begin, but for the oldest. */
  readonly starts: readonly string[];
}

const NO_STARTS: readonly string[] = [];

/** Whatever is before the message that was the oldest is a batch of its own. */
export function seenNow(seen: Seen, messages: readonly ChatMessage[]): Seen {
  const first = messages[0]?.key;
  if (first === seen.first) return seen;
  const isLonger = messages.some(({ key }) => key === seen.first);
  return { first, starts: isLonger && seen.first !== undefined ? [seen.first, ...seen.starts] : NO_STARTS };
}

export function batchesOf(messages: readonly ChatMessage[], starts: readonly string[]): readonly Batch[] {
  const batches: Batch[] = [];
  let from = 0;
  for (const start of starts) {
    const to = messages.findIndex(({ key }, index) => index > from && key === start);
    if (to < 0) continue;
    // Named after what follows: what is before may grow.
    batches.push({ key: `before ${start}`, messages: messages.slice(from, to) });
    from = to;
  }
  return [...batches, { key: "newest", messages: messages.slice(from) }];
}
