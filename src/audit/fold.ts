// Rebuilds a subject from its events, and refuses a history that could not have happened. Pure.

import type { EventType } from "../model/event.ts";
import { isSameValue, type State } from "../model/field.ts";
import { type Subject, valueIn, withoutBeside } from "../model/subject.ts";
import { formatTime } from "../model/time.ts";

export interface FoldStep {
  readonly subjectId: number;
  readonly version: number;
  readonly op: EventType;
  readonly atMs: number;
  readonly state: State;
}

export class FoldError extends Error {
  override readonly name = "FoldError";
}

/** The subject after all of `steps`, or null before the first. Throws FoldError naming the first step that is impossible. */
export function fold(subject: Subject, steps: Iterable<FoldStep>): State | null {
  let state: State | null = null;
  for (const step of steps) state = applyStep(subject, state, step);
  return state;
}

export function applyStep(subject: Subject, before: State | null, step: FoldStep): State {
  const { state, version, op } = step;
  const at = `version ${version} (${op})`;
  if (!subject.events.includes(op)) throw new FoldError(`${at}: no ${subject.noun} ever is`);
  if (state.version !== version || state.id !== step.subjectId)
    throw new FoldError(`${at}: its state names another subject or version`);
  const isFirst = op === "created" || op === "imported";
  if (isFirst !== (before === null))
    throw new FoldError(`${at}: a history starts with created or imported, and only there`);
  if (op !== "imported" && state.updated_at !== formatTime(step.atMs))
    throw new FoldError(`${at}: its state was not updated when the event happened`);
  if (before !== null) {
    if (before.version !== version - 1) throw new FoldError(`${at}: follows version ${String(before.version)}`);
    const moved = Object.keys(subject.fields).find(
      (name) =>
        subject.fields[name]?.isFixed && !isSameValue(valueIn(subject, state, name), valueIn(subject, before, name)),
    );
    if (moved !== undefined) throw new FoldError(`${at}: ${moved} can never change`);
    const wasActive = subject.isActive(before);
    // A person may ask to be forgotten whether active or not, and is not active afterwards.
    const staysInactive = op === "updated" && !wasActive && subject.mayChangeInactive !== undefined;
    if (op !== "erased" && !staysInactive && (op === "restored") === wasActive)
      throw new FoldError(`${at}: an ${wasActive ? "active" : "inactive"} subject`);
    if (subject.isActive(state) !== (op !== "deleted" && op !== "erased" && !staysInactive))
      throw new FoldError(`${at}: leaves the wrong activity`);
  }
  return withoutBeside(subject, state);
}
