// Makes and revokes API keys.

import { badRequest, conflict, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { checkReason } from "../model/event.ts";
import {
  checkKeyName,
  generateKey,
  hashKey,
  type Key,
  type KeyRow,
  keyFromRow,
  keyStateFromRow,
  type Role,
} from "../model/key.ts";
import { parseTime } from "../model/time.ts";
import { insertKey, lockAdminKeys, lockKeysOf, nextKeyId, revokeKey } from "../store/queries/keys.ts";
import { type Caller, type Core, mutate, nextTime, record, type Work } from "./core.ts";
import { lockActiveUser } from "./find.ts";

export interface NewKey {
  readonly name: string;
  readonly role: Role;
  readonly expires_at?: string | null;
  readonly reason?: string;
}

/** The key with its secret: the only time anybody sees it. */
export type KeyWithSecret = Key & { readonly key: string };

/** Throws not_found for a missing or inactive user, conflict past LIMITS.keysPerUser live keys. */
export function createKey(core: Core, caller: Caller, userId: number, input: NewKey): Promise<KeyWithSecret> {
  return mutate(core, caller, async (work) => {
    await lockActiveUser(work.tx, userId);
    const live = (await lockKeysOf(work.tx, userId)).filter((key) => key.revoked_at_ms === null);
    if (live.length >= LIMITS.keysPerUser)
      throw conflict(`a user has at most ${LIMITS.keysPerUser} keys`, "revoke one first");
    return insertNewKey(work, { ...input, userId, secret: generateKey(core.randomBytes) });
  });
}

/** The same within a transaction that does more, for a secret that the caller already has. */
export async function insertNewKey(
  work: Work,
  input: NewKey & { readonly userId: number; readonly secret: string },
): Promise<KeyWithSecret> {
  const atMs = work.core.clock();
  const expiresAtMs = input.expires_at == null ? null : parseTime("expires_at", input.expires_at);
  if (expiresAtMs !== null && expiresAtMs <= atMs) throw badRequest("expires_at: must lie in the future");
  const row = {
    id: (await nextKeyId(work.tx))[0]?.id ?? 0,
    user_id: input.userId,
    name: checkKeyName(input.name),
    role: input.role,
    key_hash: hashKey(input.secret),
    expires_at_ms: expiresAtMs,
    revoked_at_ms: null,
    created_at_ms: atMs,
    updated_at_ms: atMs,
    version: 1,
  };
  const full: KeyRow = { ...row, head: new Uint8Array() };
  await record(work, {
    type: "key",
    op: "created",
    row,
    state: keyStateFromRow(full),
    atMs,
    previousHead: null,
    reason: checkReason(input.reason),
    write: insertKey,
  });
  return { ...keyFromRow(full), key: input.secret };
}

/** Throws not_found where the user has no such key, conflict where it is revoked already. */
export function deleteKey(
  core: Core,
  caller: Caller,
  userId: number,
  keyId: number,
  reasonText: string | undefined,
): Promise<Key> {
  const reason = checkReason(reasonText);
  return mutate(core, caller, async (work) => {
    const row = (await lockKeysOf(work.tx, userId)).find((key) => key.id === keyId);
    if (!row) throw notFound(`user ${userId} has no key ${keyId}`);
    if (row.revoked_at_ms !== null) throw conflict(`key ${keyId} is revoked already`);
    await keepAnAdmin(work, (key) => key.id === keyId);
    return revoke(work, { row, reason });
  });
}

/**
 * Throws conflict where no key of role admin would be left once those that are `going` are revoked: nobody could then make
 * another. Locks all of them, so that two admins cannot end one another at the same moment.
 */
export async function keepAnAdmin(work: Work, going: (key: KeyRow) => boolean): Promise<void> {
  const nowMs = work.core.clock();
  const live = (await lockAdminKeys(work.tx)).filter((key) => key.expires_at_ms === null || key.expires_at_ms > nowMs);
  if (!live.some(going) || live.some((key) => !going(key))) return;
  throw conflict(
    "nobody would be left with a key of role admin",
    "first give somebody else one: deadletter users create --admin, or keys create USER-ID --role admin",
  );
}

/** Revokes a locked, live key within a transaction. */
export async function revoke(
  work: Work,
  { row, reason }: { readonly row: KeyRow; readonly reason: string | null },
): Promise<Key> {
  const atMs = nextTime(work.core, row);
  const changed: KeyRow = { ...row, revoked_at_ms: atMs, updated_at_ms: atMs, version: row.version + 1 };
  await record(work, {
    type: "key",
    op: "deleted",
    row: changed,
    state: keyStateFromRow(changed),
    atMs,
    previousHead: row.head,
    reason,
    write: revokeKey,
  });
  return keyFromRow(changed);
}
