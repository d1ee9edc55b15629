// Forgets a person: who they were in the user's row and history, and that it was they who did what they did. An event
// says what was erased; leaves, hashes and proofs stay as they are. It cannot be undone.

import { type Erasure, nameOf } from "../audit/erasures.ts";
import { badRequest, conflict, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { checkReason } from "../model/event.ts";
import { isErased, type User, type UserRow, userFromRow } from "../model/user.ts";
import { eraseActors, eraseStates, listActorsToErase, listStatesToErase } from "../store/queries/events.ts";
import { lockUser, updateUser } from "../store/queries/users.ts";
import { type Caller, type Core, mutate, nextTime, record, type Work } from "./core.ts";
import { keepAnAdmin } from "./keys.ts";
import { revokeKeysOf } from "./users.ts";

export interface ErasureReport {
  readonly user: User;
  /** How many disclosures were erased, or would be. */
  readonly erased: { readonly actors: number; readonly states: number };
}

export interface EraseOptions {
  readonly reason?: string;
  readonly dry_run?: boolean;
}

/**
 * Throws not_found, bad_request where callers would erase themselves, conflict where nothing is left to erase.
 * At most LIMITS.eraseRows of each kind a transaction, each with an event of its own: an interrupted run is run again.
 */
export async function eraseUser(core: Core, caller: Caller, id: number, options: EraseOptions): Promise<ErasureReport> {
  const reason = checkReason(options.reason);
  if (caller.userId === id) throw badRequest("nobody can erase themselves", "ask another admin");
  const erased = { actors: 0, states: 0 };
  for (let isFirst = true; ; isFirst = false) {
    const part = await mutate(core, caller, (work) => erasePart(work, id, reason, options.dry_run === true));
    if (isFirst && part.isDone) throw conflict(`user ${id} is erased already`);
    erased.actors += part.actors;
    erased.states += part.states;
    if (part.isDone || options.dry_run === true) return { user: part.user, erased };
  }
}

async function erasePart(work: Work, id: number, reason: string | null, isDryRun: boolean) {
  const { tx, core } = work;
  const [row] = await lockUser(tx, id);
  if (!row) throw notFound(`no user ${id}`);
  const limit = isDryRun ? LIMITS.importRows : LIMITS.eraseRows;
  await keepAnAdmin(work, (key) => key.user_id === id);
  if (!isDryRun) await revokeKeysOf(work, id, "user erased");
  const actors = await listActorsToErase(tx, id, limit);
  const states = await listStatesToErase(tx, { id, throughVersion: row.version }, limit);
  const isDone = actors.length === 0 && states.length === 0 && isErased(row);
  const counts = { actors: actors.length, states: states.length, isDone };
  if (isDone || isDryRun) return { ...counts, user: userFromRow(row) };
  const changed = forget(work, row);
  const user = userFromRow(changed);
  const erasure: Erasure = { actors: actors.map(nameOf), states: states.map(nameOf) };
  await record(work, {
    type: "user",
    op: "erased",
    row: changed,
    state: { ...user, erasure },
    atMs: changed.updated_at_ms,
    previousHead: row.head,
    reason,
    write: updateUser,
  });
  // After the event that says so: a newest event's state cannot be erased, and until then one of these was it.
  if (actors.length > 0)
    await eraseActors(
      tx,
      actors.map((event) => event.id),
    );
  if (states.length > 0)
    await eraseStates(
      tx,
      states.map((event) => event.id),
    );
  return { ...counts, user };

  function forget({ core: { randomBytes } }: Work, before: UserRow): UserRow {
    const name = isErased(before) ? before.username : `erased-${id}-${Buffer.from(randomBytes(4)).toString("hex")}`;
    const updated_at_ms = nextTime(core, before);
    return {
      ...before,
      username: name,
      email: `${name}@erased.invalid`,
      is_active: 0,
      updated_at_ms,
      version: before.version + 1,
    };
  }
}
