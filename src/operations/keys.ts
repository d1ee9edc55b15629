// Makes API keys, lists them, and says who holds one.

import { timingSafeEqual } from "node:crypto";
import type { Caller, Viewer } from "../model/caller.ts";
import {
  generateKey,
  hashKey,
  isInForce,
  type Key,
  type KeyRow,
  type KeyWithSecret,
  keyFromRow,
  keyOf,
  type NewKey,
  showKey,
} from "../model/key.ts";
import { type User, userFromRow } from "../model/user.ts";
import { findAnyAdminKey, findKeyByHash, listKeysOf } from "../store/queries/keys.ts";
import type { Core } from "./context.ts";
import { applyOne } from "./group.ts";
import { mustFindUser } from "./users.ts";

/** Throws not_found for a missing or inactive user, conflict past LIMITS.keysPerUser live keys, bad_request. */
export async function createKey(core: Core, caller: Caller, userId: number, input: NewKey): Promise<KeyWithSecret> {
  const secret = generateKey(core.randomBytes);
  const command = { ...input, type: "key.create", user_id: userId, key_hash: hashKey(secret) } as const;
  return { ...keyOf(await applyOne(core, caller, command)), key: secret };
}

/** The user's keys, oldest first. Throws not_found. */
export function readKeysOf({ store }: Core, viewer: Viewer, userId: number): Promise<Key[]> {
  return store.read(async (sql) => {
    const { id, username } = await mustFindUser(sql, userId);
    return (await listKeysOf(sql, id)).map((row) => showKey(viewer, keyFromRow(row), username));
  });
}

/** The user a caller is, and the key it came with. Throws not_found where the user is gone. */
export function readHolder(
  { store }: Core,
  userId: number,
  keyId: number | null,
): Promise<{ user: User; key: Key | null }> {
  return store.read(async (sql) => {
    const user = await mustFindUser(sql, userId);
    const key = (await listKeysOf(sql, userId)).find((row) => row.id === keyId);
    return { user: userFromRow(user), key: key ? keyFromRow(key) : null };
  });
}

/** The key of this hash, where it may be used now; undefined where there is none, or it was revoked, has expired, or its user may not act. */
export async function findLiveKey({ store, clock }: Core, hash: string): Promise<KeyRow | undefined> {
  const [row] = await store.read((sql) => findKeyByHash(sql, hash));
  const isLive =
    row !== undefined && isSameText(row.key_hash, hash) && isInForce(row, clock.now()) && row.user_is_active === 1;
  return isLive ? row : undefined;
}

/** Whether anybody was ever given a key of role admin, live or not. */
export async function hasAdminKey({ store }: Core): Promise<boolean> {
  return (await store.read(findAnyAdminKey)).length > 0;
}

/** Takes as long whatever differs, so that a secret cannot be felt out. */
export function isSameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
