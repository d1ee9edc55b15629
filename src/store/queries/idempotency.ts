// Every statement about idempotency keys: what came of requests that carried one.

import { columns } from "../../model/subject.ts";
import type { Query, Tx } from "../store.ts";

export interface IdempotencyRow {
  /** SHA-256 of whose key it is and the key, base64url. */
  readonly key_hash: string;
  /** SHA-256 of the request, base64url. */
  readonly digest: string;
  readonly subject_type: string;
  readonly subject_id: number;
  /** Of the subject as the request left it. */
  readonly version: number;
  readonly at_ms: number;
}

/** With the state that the subject had; null where it was erased. */
export type EarlierRequest = IdempotencyRow & { readonly state: string | null };

export function listEarlierRequests(tx: Tx, keyHashes: readonly string[]): Query<EarlierRequest> {
  return tx`
    select k.key_hash, k.digest, k.subject_type, k.subject_id, k.version, k.at_ms, e.state
    from idempotency_keys k
    left join events e on e.subject_type = k.subject_type and e.subject_id = k.subject_id and e.version = k.version
    where k.key_hash ${tx.among(keyHashes)}`;
}

const COLUMNS = columns({
  key_hash: "text",
  digest: "text",
  subject_type: "text",
  subject_id: "integer",
  version: "integer",
  at_ms: "integer",
});

export function insertIdempotencyKeys(tx: Tx, rows: readonly IdempotencyRow[]): Query<unknown> {
  return tx.insertRows("idempotency_keys", COLUMNS, rows);
}

export function deleteIdempotencyKeys(tx: Tx, keyHashes: readonly string[]): Query<unknown> {
  return tx`delete from idempotency_keys where key_hash ${tx.among(keyHashes)}`;
}

/** The oldest that are no longer kept. */
export function deleteIdempotencyKeysBefore(tx: Tx, atMs: number, limit: number): Query<{ key_hash: string }> {
  return tx`
    delete from idempotency_keys where key_hash in (
      select key_hash from idempotency_keys where at_ms < ${atMs} order by at_ms limit ${limit})
    returning key_hash`;
}
