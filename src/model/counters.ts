// The database's own counters, kept by its triggers: `events:SUBJECT:TYPE`, `links:STATE`, `clicks`. Nobody counts a big table.

import { EVENT_TYPES } from "./event.ts";

export interface NamedCounter {
  readonly name: string;
  readonly value: number;
}

/** All events there are. */
export function countEvents(counters: readonly NamedCounter[]): number {
  return counters.filter(({ name }) => name.startsWith("events:")).reduce((sum, { value }) => sum + value, 0);
}

/** Every type is named, also where there is none of it. */
export function countEventsByType(counters: readonly NamedCounter[]): Record<string, number> {
  const ofType = (type: string) =>
    counters.filter(({ name }) => name.startsWith("events:") && name.endsWith(`:${type}`));
  return Object.fromEntries(EVENT_TYPES.map((type) => [type, countEvents(ofType(type))]));
}
