// Rebuilds a subject from its events, and refuses a history that could not have happened. Pure.

import type { EventType, State, SubjectType } from "../model/event.ts";
import { formatTime } from "../model/time.ts";

export interface FoldStep {
  readonly subjectType: SubjectType;
  readonly subjectId: number;
  readonly version: number;
  readonly op: EventType;
  readonly atMs: number;
  readonly state: State;
}

export class FoldError extends Error {
  override readonly name = "FoldError";
}

/** What never changes in a subject's life. */
const FIXED: Record<SubjectType, readonly string[]> = {
  url: ["id", "short_code", "user_id", "created_at"],
  user: ["id", "created_at"],
  key: ["id", "user_id", "name", "role", "key_hash", "expires_at", "created_at"],
};

/** The subject after all of `steps`, or null before the first. Throws FoldError naming the first step that is impossible. */
export function fold(steps: Iterable<FoldStep>): State | null {
  let state: State | null = null;
  for (const step of steps) state = applyStep(state, step);
  return state;
}

export function applyStep(before: State | null, step: FoldStep): State {
  const { state, version, op } = step;
  const at = `version ${version} (${op})`;
  if (state.version !== version || state.id !== step.subjectId)
    throw new FoldError(`${at}: its state names another subject or version`);
  const isFirst = op === "created" || op === "imported";
  if (isFirst !== (before === null))
    throw new FoldError(`${at}: a history starts with created or imported, and only there`);
  if (op !== "imported" && state.updated_at !== formatTime(step.atMs))
    throw new FoldError(`${at}: its state was not updated when the event happened`);
  if (before !== null) {
    if (before.version !== version - 1) throw new FoldError(`${at}: follows version ${String(before.version)}`);
    const moved = FIXED[step.subjectType].find((field) => state[field] !== before[field]);
    if (moved !== undefined) throw new FoldError(`${at}: ${moved} can never change`);
    const wasActive = isActive(step.subjectType, before);
    // A person may ask to be forgotten whether active or not, and is not active afterwards.
    if (op !== "erased" && (op === "restored") === wasActive)
      throw new FoldError(`${at}: an ${wasActive ? "active" : "inactive"} subject`);
    if (isActive(step.subjectType, state) !== (op !== "deleted" && op !== "erased"))
      throw new FoldError(`${at}: leaves the wrong activity`);
  }
  return subjectOf(state);
}

/** The subject itself, without what its event has to say beside it. */
export function subjectOf(state: State): State {
  if (!("legacy_history" in state || "erasure" in state)) return state;
  const { legacy_history: _, erasure: __, ...subject } = state;
  return subject;
}

/** A key is active until it is revoked; links and users say so themselves. */
function isActive(type: SubjectType, state: State): boolean {
  return type === "key" ? state.revoked_at === null : state.is_active === true;
}
