import type { MessageEvent } from "../../app-router.js";

/** An event, and the id under which the server goes on after it. */
export interface TrackedEvent {
  readonly id: string;
  readonly data: MessageEvent;
}

/** Where an event is in a conversation's log: `<epoch>.<number>`. */
export interface Place {
  readonly epoch: string;
  readonly number: number;
}

/** The epoch of snapshots that are not the last of several. */
const NOWHERE = "nowhere";

export function placeOf(id: string): Place {
  const dot = id.lastIndexOf(".");
  return { epoch: id.slice(0, dot), number: Number(id.slice(dot + 1)) };
}

/** Whether an event's id says where it is; only then can the server go on after it. */
export function isPlaced({ id }: TrackedEvent): boolean {
  return placeOf(id).epoch !== NOWHERE;
}

/** Whether a place is after another. In a log that was begun anew, all are. */
export function isAfter(place: Place, other: Place): boolean {
  return place.epoch !== other.epoch || place.number > other.number;
}
