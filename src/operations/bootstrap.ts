// The first admin of an empty store: somebody must hold the first key.

import { badRequest, DeadletterError } from "../errors.ts";
import { generateKey, isKey } from "../model/key.ts";
import type { User } from "../model/user.ts";
import { findAnyAdminKey } from "../store/queries/keys.ts";
import { type Caller, type Core, mutate } from "./core.ts";
import { insertNewKey, type KeyWithSecret } from "./keys.ts";
import { insertNewUser, type NewUser, refusingDuplicates } from "./users.ts";

export const FIRST_ADMIN: NewUser = { username: "admin", email: "admin@localhost" };

export interface Admin {
  readonly user: User;
  readonly key: KeyWithSecret;
}

/** A user with a key of role admin, in one transaction. `secret` is used instead of a fresh key where it is given. */
export async function createAdmin(core: Core, caller: Caller, input: NewUser, secret?: string): Promise<Admin> {
  if (secret !== undefined && !isKey(secret))
    throw badRequest("admin key: must be dl_ and at least 32 characters of A-Z a-z 0-9 _ -");
  const work = mutate(core, caller, async (work) => {
    const user = await insertNewUser(work, input);
    const key = await insertNewKey(work, {
      name: "first key",
      role: "admin",
      userId: user.id,
      secret: secret ?? generateKey(core.randomBytes),
    });
    return { user, key };
  });
  return refusingDuplicates(work);
}

/**
 * Null where anybody was ever given an admin key, also when another process has just made the first one. The user is
 * called admin, or admin-XXXX where an imported user has that name.
 */
export async function createFirstAdmin(core: Core, caller: Caller, secret?: string): Promise<Admin | null> {
  const hasAdmin = async () => (await core.store.read(findAnyAdminKey)).length > 0;
  if (await hasAdmin()) return null;
  try {
    return await createAdmin(core, caller, FIRST_ADMIN, secret);
  } catch (error) {
    if (!(error instanceof DeadletterError) || error.code !== "conflict") throw error;
    if (await hasAdmin()) return null;
  }
  const username = `${FIRST_ADMIN.username}-${Buffer.from(core.randomBytes(2)).toString("hex")}`;
  return createAdmin(core, caller, { username, email: `${username}@localhost` }, secret);
}
