// How keys are found, listed and locked together. (How subjects of any kind are read by id and written: subjects.ts.)

import { KEY, type KeyRow, type StoredKey } from "../../model/key.ts";
import { columnsOf } from "../../model/subject.ts";
import type { Query, Sql, Tx } from "../store.ts";

export interface KeysToLock {
  readonly ids: readonly number[];
  /** All keys of these users. */
  readonly userIds: readonly number[];
  /** All of role admin that are not revoked, as those of users who are not active always are. */
  readonly withAdmins: boolean;
}

/** In the order of ids. */
export function lockKeys(tx: Tx, { ids, userIds, withAdmins }: KeysToLock): Query<StoredKey> {
  return tx`
    select ${columns(tx)}, head from keys
    where ${ids.length === 0 ? tx`1 = 0` : tx`id ${tx.among(ids)}`}
    ${userIds.length === 0 ? tx`` : tx`or user_id ${tx.among(userIds)}`}
    ${withAdmins ? tx`or (role = 'admin' and revoked_at_ms is null)` : tx``}
    order by id ${tx.forUpdate}`;
}

export function listKeysOf(sql: Sql, userId: number): Query<KeyRow> {
  return sql`select ${columns(sql)} from keys where user_id = ${userId} order by id`;
}

/** Whether anybody was ever given a key of role admin, live or not. */
export function findAnyAdminKey(sql: Sql): Query<{ id: number }> {
  return sql`select id from keys where role = 'admin' limit 1`;
}

/** What a key is worth at this moment: of its row and its user's. */
export interface KeyStanding {
  readonly revoked_at_ms: number | null;
  readonly expires_at_ms: number | null;
  readonly user_is_active: number;
}

export function findKey(sql: Sql, id: number): Query<KeyRow> {
  return sql`select ${columns(sql)} from keys where id = ${id}`;
}

/** The key with this hash and whether its user may still use it. */
export function findKeyByHash(sql: Sql, hash: string): Query<KeyRow & KeyStanding> {
  return sql`
    select k.id, k.user_id, k.name, k.role, k.key_hash, k.expires_at_ms, k.revoked_at_ms, k.created_at_ms,
           k.updated_at_ms, k.version, u.is_active as user_is_active
    from keys k join users u on u.id = k.user_id
    where k.key_hash = ${hash}`;
}

/** What a transaction on behalf of keys begins with: a row a key, or one without where it is on nobody's. */
export type Standing = { [Column in keyof KeyStanding]: KeyStanding[Column] | null } & {
  /** What the store is finalized for. */
  readonly generation: number;
  /** Null where there is no such key. */
  readonly key_id: number | null;
};

/** At least one row: of each of these keys that there is, what it is worth. */
export function readStandings(tx: Tx, keyIds: readonly number[]): Query<Standing> {
  return tx`
    select g.generation, k.id as key_id, k.revoked_at_ms, k.expires_at_ms, u.is_active as user_is_active
    from store_generation g
    left join keys k on k.id ${tx.among(keyIds)}
    left join users u on u.id = k.user_id
    where g.id = 1`;
}

function columns(sql: Sql): Query<unknown> {
  return sql.names(...columnsOf(KEY));
}
