// The end of a user, which is the end of its keys. Its links stay, or go to another user in the same act.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { checkCommand } from "../model/command.ts";
import { USER, type User, userFromRow } from "../model/user.ts";
import { lockKeys } from "../store/queries/keys.ts";
import { countOwned, listOwned } from "../store/queries/links.ts";
import { lockSubjects } from "../store/queries/subjects.ts";
import { findUser, lockUsersWhole } from "../store/queries/users.ts";
import { transact } from "./apply.ts";
import type { Core, Work } from "./context.ts";
import { keepPace } from "./pace.ts";
import { mustFindUser } from "./users.ts";

/** What became of the links that a user owned. */
export const OwnedLinks = Type.Object(
  {
    kept: Type.Integer({ description: "links that it still owns; its creators' rights to them end" }),
    is_more: Type.Boolean({ description: `whether it owns more: they are counted to ${LIMITS.ownedCounted}` }),
    handed_over: Type.Integer({ description: "links that went to another user, inactive ones included" }),
  },
  { $id: "OwnedLinks" },
);
export type OwnedLinks = Static<typeof OwnedLinks>;

export interface Deactivated {
  readonly user: User;
  readonly links: OwnedLinks;
}

export interface Deactivating {
  readonly reason?: string;
  /** The user who is given all links first. */
  readonly hand_over_to?: number;
}

/**
 * Deactivates the user and revokes every key it has, in one transaction. With `hand_over_to` its links go to that user before, and
 * what was being made meanwhile after; in transactions of LIMITS.handOverRows, so an interrupted run is run again: of a user who is
 * inactive already it hands over what is left. Throws not_found for a user who is none, or is to be given links and is not active;
 * conflict where it is inactive already, and where no key with role admin would be left. Then nothing is changed.
 */
export async function deactivateUser(
  core: Core,
  caller: Caller,
  id: number,
  { reason, hand_over_to: heir }: Deactivating = {},
): Promise<Deactivated> {
  const command = { type: "user.delete", id, ...(reason === undefined ? {} : { reason }) } as const;
  checkCommand(command, caller, core.ownHosts());
  if (heir === id) throw badRequest("hand_over_to: names the user itself");
  const isInactive = heir !== undefined && (await isInactiveWithHeir(core, id, heir));
  const end = async (work: Work) => {
    await revokeKeysOf(work, id, "user deactivated");
    const [outcome] = await work.apply([command]);
    return outcome?.state as User;
  };
  let handedOver = 0;
  if (heir !== undefined) {
    // What would refuse it does so before a link is moved.
    if (!isInactive) await transact(core, caller, end, { isDryRun: true });
    handedOver = await handOverAll(core, caller, id, heir);
  }
  const user = isInactive ? await readUserState(core, id) : await transact(core, caller, end);
  // A link that was being made as its keys were revoked has waited for that.
  for (let late = 1; heir !== undefined && late > 0; handedOver += late)
    late = await handOverAll(core, caller, id, heir);
  const [owned] = await core.store.scan((sql) => countOwned(sql, id, LIMITS.ownedCounted + 1));
  const kept = Math.min(owned?.count ?? 0, LIMITS.ownedCounted);
  return { user, links: { kept, is_more: (owned?.count ?? 0) > kept, handed_over: handedOver } };
}

/** Whether the user is inactive already. Throws not_found for a user who is none, and for an heir who is none or inactive. */
function isInactiveWithHeir({ store }: Core, id: number, heir: number): Promise<boolean> {
  return store.read(async (sql) => {
    const row = await mustFindUser(sql, id);
    const [next] = await findUser(sql, heir);
    if (next?.is_active !== 1) throw notFound(`hand_over_to: there is no active user ${heir}`);
    return row.is_active === 0;
  });
}

async function readUserState({ store }: Core, id: number): Promise<User> {
  return userFromRow(await store.read((sql) => mustFindUser(sql, id)));
}

/** A batch a transaction, until there are no more; how many. */
async function handOverAll(core: Core, caller: Caller, from: number, to: number): Promise<number> {
  for (let given = 0; ; ) {
    const part = await transact(core, caller, (work) => handOver(work, from, to), { isBulk: true });
    given += part;
    if (part < LIMITS.handOverRows) return given;
    await keepPace(core);
  }
}

/** Whoever is making a link for the user holds its row's key: this waits for them, and they for this. */
async function handOver({ tx, apply }: Work, from: number, to: number): Promise<number> {
  await lockUsersWhole(tx, [from, to]);
  const links = (await listOwned(tx, from, LIMITS.handOverRows)).sort((a, b) => a.id - b.id);
  const reason = `user ${from} deactivated`;
  await apply(links.map(({ id }) => ({ type: "link.hand_over", id, user_id: to, reason })));
  return links.length;
}

/** Locks a user, so that it gets no further key meanwhile, and revokes those it has. */
export async function revokeKeysOf({ tx, apply }: Work, userId: number, reason: string): Promise<void> {
  await lockSubjects(tx, USER, { ids: [userId], names: [] });
  const keys = await lockKeys(tx, { ids: [], userIds: [userId], withAdmins: true });
  const live = keys.filter((key) => key.user_id === userId && key.revoked_at_ms === null);
  await apply(live.map(({ id }) => ({ type: "key.delete", id, user_id: userId, reason })));
}
