// What a release must not write while earlier ones may still write to the same store: they would lose it, or take it for false. Pure.

import { conflict } from "../errors.ts";
import { isSameValue } from "./field.ts";
import { cellOf, fieldsOf, type Subject, type SubjectRow } from "./subject.ts";

/** Older releases that still write to the store would lose what they do not know of. `before` is null for a subject that is made. */
export function refuseUnfinalized(
  subject: Subject,
  before: SubjectRow | null,
  next: SubjectRow,
  generation: number,
): void {
  requireGeneration(subject.generation, generation, `would not know of a ${subject.noun}`);
  for (const { name, column, field } of fieldsOf(subject)) {
    const { gained, isFixedBefore } = field;
    const isLost = gained !== undefined && !isSameValue(field.read(cellOf(next, column)), gained.absent);
    if (isLost) requireGeneration(gained.generation, generation, "would lose it", `${name}: `);
    if (before !== null && cellOf(before, column) !== cellOf(next, column))
      requireGeneration(isFixedBefore, generation, "take it to be fixed", `${name}: `);
  }
}

/** Throws conflict in a store that is not finalized for the generation yet. */
export function requireGeneration(needed: number | undefined, generation: number, why: string, about = ""): void {
  if (needed !== undefined && needed > generation)
    throw conflict(
      `${about}older releases may still write to this store, and ${why}`,
      "once all of them are stopped, run: deadletter migrate --finalize",
    );
}
