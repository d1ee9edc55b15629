// Forgets a person: who they were in the user's row and history, and that it was they who did what they did. An event
// says what was erased; leaves, hashes and proofs stay as they are. It cannot be undone.

import { type Static, Type } from "@sinclair/typebox";
import { nameOf } from "../audit/erasures.ts";
import { badRequest, conflict } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { checkReason } from "../model/event.ts";
import { isErased, USER, User, userFromRow } from "../model/user.ts";
import { eraseActors, eraseStates, listActorsToErase, listStatesToErase } from "../store/queries/events.ts";
import { transact } from "./apply.ts";
import type { Core, Work } from "./context.ts";
import { revokeKeysOf } from "./deactivate.ts";
import { mustFindUser } from "./users.ts";

export const ErasureReport = Type.Object(
  {
    user: User,
    erased: Type.Object(
      { actors: Type.Integer(), states: Type.Integer() },
      { description: "how many disclosures were erased, or would be in a dry run" },
    ),
  },
  { $id: "ErasureReport" },
);
export type ErasureReport = Static<typeof ErasureReport>;

export interface EraseOptions {
  readonly reason?: string;
  readonly dry_run?: boolean;
}

/**
 * Throws not_found, bad_request where callers would erase themselves, conflict where nothing is left to erase.
 * At most LIMITS.eraseRows of each kind a transaction, each with an event of its own: an interrupted run is run again.
 */
export async function eraseUser(core: Core, caller: Caller, id: number, options: EraseOptions): Promise<ErasureReport> {
  const reason = checkReason(options.reason) ?? undefined;
  if (caller.userId === id) throw badRequest("you cannot erase yourself", "ask another admin");
  const isDryRun = options.dry_run === true;
  const erased = { actors: 0, states: 0 };
  for (let isFirst = true; ; isFirst = false) {
    const part = await transact(core, caller, (work) => erasePart(work, id, { reason, isDryRun }), {
      isDryRun,
      isBulk: true,
    });
    if (isFirst && part.isDone) throw conflict(`user ${id} is erased already`);
    erased.actors += part.actors;
    erased.states += part.states;
    if (part.isDone || isDryRun) return { user: part.user, erased };
  }
}

async function erasePart(
  work: Work,
  id: number,
  { reason, isDryRun }: { readonly reason: string | undefined; readonly isDryRun: boolean },
) {
  const { tx } = work;
  const limit = isDryRun ? LIMITS.importRows : LIMITS.eraseRows;
  await revokeKeysOf(work, id, "user erased");
  const row = await mustFindUser(tx, id);
  const actors = await listActorsToErase(tx, id, limit);
  const states = await listStatesToErase(tx, { type: USER.type, id, throughVersion: row.version }, limit);
  const isDone = actors.length === 0 && states.length === 0 && isErased(row);
  const counts = { actors: actors.length, states: states.length, isDone };
  if (isDone || isDryRun) return { ...counts, user: userFromRow(row) };
  const names = { actors: actors.map(nameOf), states: states.map(nameOf) };
  const why = reason === undefined ? {} : { reason };
  const [outcome] = await work.apply([{ type: "user.erase", id, ...names, ...why }]);
  // After the event that says so: a newest event's state cannot be erased, and until then one of these was it.
  const idsOf = (events: readonly { readonly id: number }[]) => events.map((event) => event.id);
  if (actors.length > 0) await eraseActors(tx, idsOf(actors));
  if (states.length > 0) await eraseStates(tx, idsOf(states));
  return { ...counts, user: outcome?.state as User };
}
