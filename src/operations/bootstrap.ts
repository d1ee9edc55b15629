// The first admin of an empty store: somebody must hold the first key.

import { badRequest, DeadletterError } from "../errors.ts";
import type { Caller } from "../model/caller.ts";
import { generateKey, hashKey, isKey, type KeyWithSecret, keyOf } from "../model/key.ts";
import type { NewUser, User } from "../model/user.ts";
import { transact } from "./apply.ts";
import type { Core } from "./context.ts";
import { hasAdminKey } from "./keys.ts";

export const FIRST_ADMIN: NewUser = { username: "admin", email: "admin@localhost" };

export interface Admin {
  readonly user: User;
  readonly key: KeyWithSecret;
}

/** A user with a key of role admin, in one transaction. `secret` is used instead of a fresh key where it is given. */
export function createAdmin(core: Core, caller: Caller, input: NewUser, secret?: string): Promise<Admin> {
  if (secret !== undefined && !isKey(secret))
    throw badRequest("admin key: must be dl_ and at least 32 characters of A-Z a-z 0-9 _ -");
  const key = secret ?? generateKey(core.randomBytes);
  return transact(core, caller, async ({ apply }) => {
    const [made] = await apply([{ ...input, type: "user.create" }]);
    const user = made?.state as User;
    const first = { name: "first key", role: "admin", user_id: user.id, key_hash: hashKey(key) } as const;
    const [given] = await apply([{ ...first, type: "key.create" }]);
    return { user, key: { ...keyOf(given?.state ?? {}), key } };
  });
}

/**
 * Null where anybody was ever given an admin key, also when another process has just made the first one. The user is
 * called admin, or admin-XXXX where an imported user has that name.
 */
export async function createFirstAdmin(core: Core, caller: Caller, secret?: string): Promise<Admin | null> {
  if (await hasAdminKey(core)) return null;
  try {
    return await createAdmin(core, caller, FIRST_ADMIN, secret);
  } catch (error) {
    if (!(error instanceof DeadletterError) || error.code !== "conflict") throw error;
    if (await hasAdminKey(core)) return null;
  }
  const username = `${FIRST_ADMIN.username}-${Buffer.from(core.randomBytes(2)).toString("hex")}`;
  return createAdmin(core, caller, { username, email: `${username}@localhost` }, secret);
}
