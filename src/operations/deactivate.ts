// The end of a user, which is the end of its keys.

import type { Caller } from "../model/caller.ts";
import { checkCommand } from "../model/command.ts";
import { USER, type User } from "../model/user.ts";
import { lockKeys } from "../store/queries/keys.ts";
import { lockSubjects } from "../store/queries/subjects.ts";
import { transact } from "./apply.ts";
import type { Core, Work } from "./context.ts";

/**
 * Deactivates the user and revokes every key it has, in one transaction. Throws not_found, conflict where it is inactive already,
 * and where no key with role admin would be left.
 */
export function deactivateUser(core: Core, caller: Caller, id: number, reason: string | undefined): Promise<User> {
  const command = { type: "user.delete", id, ...(reason === undefined ? {} : { reason }) } as const;
  checkCommand(command, caller, core.ownHosts());
  return transact(core, caller, async (work) => {
    await revokeKeysOf(work, id, "user deactivated");
    const [outcome] = await work.apply([command]);
    return outcome?.state as User;
  });
}

/** Locks a user, so that it gets no further key meanwhile, and revokes those it has. */
export async function revokeKeysOf({ tx, apply }: Work, userId: number, reason: string): Promise<void> {
  await lockSubjects(tx, USER, { ids: [userId], names: [] });
  const keys = await lockKeys(tx, { ids: [], userIds: [userId], withAdmins: true });
  const live = keys.filter((key) => key.user_id === userId && key.revoked_at_ms === null);
  await apply(live.map(({ id }) => ({ type: "key.delete", id, user_id: userId, reason })));
}
