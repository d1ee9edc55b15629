// What an event changed, field by field: derived from the states before and after it, never stored. Pure.

import type { State } from "./field.ts";
import { differingFields, type Subject, valueIn } from "./subject.ts";

/** Bookkeeping that every event moves; naming it as a change would say nothing. */
const BOOKKEEPING: ReadonlySet<string> = new Set(["id", "created_at", "updated_at", "version"]);

export type Changes = Record<string, { from: unknown; to: unknown }>;

/** What differs between two states and may be shown; every field of a first state reads as changed from null. */
export function changesBetween(subject: Subject, before: State | null, after: State): Changes {
  const changes: Changes = {};
  for (const name of differingFields(subject, before ?? {}, after)) {
    if (BOOKKEEPING.has(name) || subject.beside.includes(name) || subject.fields[name]?.isHidden) continue;
    const [from, to] = [valueIn(subject, before ?? {}, name) ?? null, valueIn(subject, after, name) ?? null];
    if (from !== to) changes[name] = { from, to };
  }
  return changes;
}
