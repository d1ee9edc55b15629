// Every statement about API keys.

import type { KeyRow } from "../../model/key.ts";
import type { Query, Sql, Tx } from "../store.ts";

export function nextKeyId(tx: Tx): Query<{ id: number }> {
  return tx`select ${tx.nextId("keys")} as id`;
}

export function insertKey(tx: Tx, key: KeyRow): Query<unknown> {
  return tx`
    insert into keys (id, user_id, name, role, key_hash, expires_at_ms, revoked_at_ms, created_at_ms, updated_at_ms,
                      version, head)
    values (${key.id}, ${key.user_id}, ${key.name}, ${key.role}, ${key.key_hash}, ${key.expires_at_ms},
            ${key.revoked_at_ms}, ${key.created_at_ms}, ${key.updated_at_ms}, ${key.version}, ${key.head})`;
}

export function revokeKey(tx: Tx, key: KeyRow): Query<unknown> {
  return tx`
    update keys set revoked_at_ms = ${key.revoked_at_ms}, updated_at_ms = ${key.updated_at_ms},
                    version = ${key.version}, head = ${key.head}
    where id = ${key.id}`;
}

export function lockKeysOf(tx: Tx, userId: number): Query<KeyRow> {
  return tx`select ${columns(tx)} from keys where user_id = ${userId} order by id ${tx.forUpdate}`;
}

/** Keys of role admin that are not revoked, as those of users who are not active always are. */
export function lockAdminKeys(tx: Tx): Query<KeyRow> {
  return tx`select ${columns(tx)} from keys where role = 'admin' and revoked_at_ms is null order by id ${tx.forUpdate}`;
}

export function listKeysOf(sql: Sql, userId: number): Query<KeyRow> {
  return sql`select ${columns(sql)} from keys where user_id = ${userId} order by id`;
}

/** Whether anybody was ever given a key of role admin, live or not. */
export function findAnyAdminKey(sql: Sql): Query<{ id: number }> {
  return sql`select id from keys where role = 'admin' limit 1`;
}

export function listAllKeys(sql: Sql, afterId: number, limit: number): Query<KeyRow> {
  return sql`select ${columns(sql)} from keys where id > ${afterId} and id <= ${Number.MAX_SAFE_INTEGER} order by id limit ${limit}`;
}

/** The key with this hash and whether its user may still use it. */
export function findKeyByHash(sql: Sql, hash: string): Query<KeyRow & { user_is_active: number }> {
  return sql`
    select k.id, k.user_id, k.name, k.role, k.key_hash, k.expires_at_ms, k.revoked_at_ms, k.created_at_ms,
           k.updated_at_ms, k.version, k.head, u.is_active as user_is_active
    from keys k join users u on u.id = k.user_id
    where k.key_hash = ${hash}`;
}

function columns(sql: Sql): Query<unknown> {
  return sql`id, user_id, name, role, key_hash, expires_at_ms, revoked_at_ms, created_at_ms, updated_at_ms, version, head`;
}
