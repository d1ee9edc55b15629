// Creates, changes and deactivates users.

import { conflict, notFound } from "../errors.ts";
import { checkReason } from "../model/event.ts";
import { checkEmail, checkUsername, isErased, type User, type UserRow, userFromRow } from "../model/user.ts";
import { lockKeysOf } from "../store/queries/keys.ts";
import { insertUser, lockUser, nextUserId, updateUser } from "../store/queries/users.ts";
import { isUniqueViolation } from "../store/store.ts";
import { type Caller, type Core, mutate, nextTime, record, type Work } from "./core.ts";
import { lockActiveUser } from "./find.ts";
import { keepAnAdmin, revoke } from "./keys.ts";

export interface NewUser {
  readonly username: string;
  readonly email: string;
  readonly reason?: string;
}

export interface UserEdit {
  readonly username?: string;
  readonly email?: string;
  readonly reason?: string;
}

/** Throws bad_request, or conflict when the username or email is in use (compared without case). */
export function createUser(core: Core, caller: Caller, input: NewUser): Promise<User> {
  return refusingDuplicates(mutate(core, caller, (work) => insertNewUser(work, input)));
}

/** The same within a transaction that does more. */
export async function insertNewUser(work: Work, input: NewUser): Promise<User> {
  const fields = { username: checkUsername(input.username), email: checkEmail(input.email) };
  const id = (await nextUserId(work.tx))[0]?.id ?? 0;
  const atMs = work.core.clock();
  const row = { ...fields, id, is_active: 1, created_at_ms: atMs, updated_at_ms: atMs, version: 1 };
  const user = userFromRow({ ...row, head: new Uint8Array() });
  await record(work, {
    type: "user",
    op: "created",
    row,
    state: user,
    atMs,
    previousHead: null,
    reason: checkReason(input.reason),
    write: insertUser,
  });
  return user;
}

/** Throws not_found for a missing or inactive user. Without a difference: no event. */
export function editUser(core: Core, caller: Caller, id: number, edit: UserEdit): Promise<User> {
  const next = {
    ...(edit.username === undefined ? {} : { username: checkUsername(edit.username) }),
    ...(edit.email === undefined ? {} : { email: checkEmail(edit.email) }),
  };
  const reason = checkReason(edit.reason);
  const work = mutate(core, caller, async (work) => {
    const row = await lockActiveUser(work.tx, id);
    const fields = Object.keys(next) as (keyof typeof next)[];
    if (fields.every((field) => next[field] === row[field])) return userFromRow(row);
    return writeUser(work, { row, next, op: "updated", reason });
  });
  return refusingDuplicates(work);
}

/** Deactivates the user and revokes every key it has, in one transaction. Throws conflict where it is inactive already. */
export function deactivateUser(core: Core, caller: Caller, id: number, reasonText: string | undefined): Promise<User> {
  const reason = checkReason(reasonText);
  return mutate(core, caller, async (work) => {
    const [row] = await lockUser(work.tx, id);
    if (!row) throw notFound(`no user ${id}`);
    if (row.is_active === 0) throw conflict(`user "${row.username}" is inactive already`);
    await keepAnAdmin(work, (key) => key.user_id === id);
    await revokeKeysOf(work, id, "user deactivated");
    return writeUser(work, { row, next: { is_active: 0 }, op: "deleted", reason });
  });
}

/** Makes an inactive user active again, without any key. Throws conflict where it is active, or was erased. */
export function restoreUser(core: Core, caller: Caller, id: number, reasonText: string | undefined): Promise<User> {
  const reason = checkReason(reasonText);
  return mutate(core, caller, async (work) => {
    const [row] = await lockUser(work.tx, id);
    if (!row) throw notFound(`no user ${id}`);
    if (row.is_active === 1) throw conflict(`user "${row.username}" is active already`);
    if (isErased(row)) throw conflict(`user ${id} was erased`, "create a new one");
    return writeUser(work, { row, next: { is_active: 1 }, op: "restored", reason });
  });
}

export async function revokeKeysOf(work: Work, userId: number, reason: string): Promise<void> {
  for (const key of await lockKeysOf(work.tx, userId)) {
    if (key.revoked_at_ms === null) await revoke(work, { row: key, reason });
  }
}

async function writeUser(
  work: Work,
  change: { row: UserRow; next: Partial<UserRow>; op: "updated" | "deleted" | "restored"; reason: string | null },
): Promise<User> {
  const { row, next, op, reason } = change;
  const atMs = nextTime(work.core, row);
  const changed: UserRow = { ...row, ...next, updated_at_ms: atMs, version: row.version + 1 };
  const user = userFromRow(changed);
  await record(work, {
    type: "user",
    op,
    row: changed,
    state: user,
    atMs,
    previousHead: row.head,
    reason,
    write: updateUser,
  });
  return user;
}

/** Settles as `work` does, but a username or email that is in use is a conflict. */
export async function refusingDuplicates<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isUniqueViolation(error, "users_username_key") || isUniqueViolation(error, "users_email_key"))
      throw conflict("username or email already exists");
    throw error;
  }
}
