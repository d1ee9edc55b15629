// The end of a user, which is the end of its keys. Its links stay, or go to another user in the same act.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { checkCommand } from "../model/command.ts";
import { USER, type User } from "../model/user.ts";
import { lockKeys } from "../store/queries/keys.ts";
import { countOwned, listOwned } from "../store/queries/links.ts";
import { lockSubjects } from "../store/queries/subjects.ts";
import { transact } from "./apply.ts";
import type { Core, Work } from "./context.ts";
import { keepPace } from "./pace.ts";

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
 * Deactivates the user and revokes every key it has, in one transaction. With `hand_over_to` its links go to that user: past
 * LIMITS.handOverRows of them in transactions before the last, so an interrupted run is run again. Throws not_found for a user who is
 * none or is to be given links and is not active, conflict where it is inactive already and where no key with role admin would be left.
 */
export async function deactivateUser(
  core: Core,
  caller: Caller,
  id: number,
  { reason, hand_over_to }: Deactivating = {},
): Promise<Deactivated> {
  const command = { type: "user.delete", id, ...(reason === undefined ? {} : { reason }) } as const;
  checkCommand(command, caller, core.ownHosts());
  if (hand_over_to === id) throw badRequest("hand_over_to: names the user itself");
  let handedOver = 0;
  for (;;) {
    const part = await transact(core, caller, async (work) => {
      // So that it makes no link, and is given none, while its last ones are looked for. In the order of ids, as everybody locks.
      await lockSubjects(work.tx, USER, {
        ids: [id, ...(hand_over_to === undefined ? [] : [hand_over_to])],
        names: [],
      });
      const given = hand_over_to === undefined ? 0 : await handOver(work, id, hand_over_to);
      if (given === LIMITS.handOverRows) return { given };
      await revokeKeysOf(work, id, "user deactivated");
      const [outcome] = await work.apply([command]);
      const [owned] = await countOwned(work.tx, id, LIMITS.ownedCounted + 1);
      return { given, user: outcome?.state as User, kept: owned?.count ?? 0 };
    });
    handedOver += part.given;
    if (part.user) {
      const kept = Math.min(part.kept, LIMITS.ownedCounted);
      return { user: part.user, links: { kept, is_more: part.kept > kept, handed_over: handedOver } };
    }
    await keepPace(core);
  }
}

/** Up to LIMITS.handOverRows links; how many. */
async function handOver({ tx, apply }: Work, from: number, to: number): Promise<number> {
  const links = await listOwned(tx, from, LIMITS.handOverRows);
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
