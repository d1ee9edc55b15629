// Every statement about those who follow the log: durable consumers with their cursors, and processes that serve.

import type { Query, Sql, Tx } from "../store.ts";

/** How far a durable consumer has come. */
export interface Cursor {
  readonly epoch: number;
  /** The index of the next entry that it will be given. */
  readonly next_index: number;
}

export interface Lease {
  readonly name: string;
  readonly holder: string;
  readonly lease_until_ms: number;
}

/** For a consumer that there was none of yet, at the log's beginning or its end; its lease is free. */
export function insertCursor(tx: Tx, name: string, isAtEnd: boolean): Query<unknown> {
  const place = isAtEnd
    ? tx`coalesce((select epoch from logs where id = 1), 0), coalesce((select size from log_head where id = 1), 0)`
    : tx`0, 0`;
  return tx`
    insert into log_cursors (name, epoch, next_index, fence, holder, lease_until_ms) values (${name}, ${place}, 1, '', 0)
    on conflict (name) do nothing`;
}

/** Takes the lease where it is free, has run out by `now_ms`, or is the holder's already. No row where somebody else holds it. */
export function takeCursor(tx: Tx, lease: Lease & { readonly now_ms: number }): Query<Cursor & { fence: number }> {
  return tx`
    update log_cursors set holder = ${lease.holder}, fence = fence + 1, lease_until_ms = ${lease.lease_until_ms}
    where name = ${lease.name} and (holder = ${lease.holder} or lease_until_ms <= ${lease.now_ms})
    returning epoch, next_index, fence`;
}

/**
 * Moves a cursor that is where the holder left it. No row where the lease was lost, or the store went back meanwhile: behind the
 * cursor, or behind what was given, whose last leaf hash is `last_hash`.
 */
export function moveCursor(
  tx: Tx,
  {
    name,
    fence,
    from,
    to,
    last_hash,
    lease_until_ms,
  }: {
    readonly name: string;
    readonly fence: number;
    readonly from: Cursor;
    readonly to: Cursor;
    readonly last_hash: Uint8Array | undefined;
    readonly lease_until_ms: number;
  },
): Query<{ name: string }> {
  return tx`
    update log_cursors set epoch = ${to.epoch}, next_index = ${to.next_index}, lease_until_ms = ${lease_until_ms}
    where name = ${name} and fence = ${fence} and epoch = ${from.epoch} and next_index = ${from.next_index}
      ${last_hash === undefined ? tx`` : tx`and exists (select 1 from log_leaf where idx = ${to.next_index - 1} and leaf_hash = ${last_hash})`}
    returning name`;
}

/** Makes the lease last longer; no row where it was lost. */
export function renewCursor(
  tx: Tx,
  { name, fence, lease_until_ms }: { readonly name: string; readonly fence: number; readonly lease_until_ms: number },
): Query<{ name: string }> {
  return tx`
    update log_cursors set lease_until_ms = ${lease_until_ms} where name = ${name} and fence = ${fence} returning name`;
}

/** Gives the lease back, so that it need not run out; nothing where somebody else has it by now. */
export function freeCursor(tx: Tx, name: string, holder: string): Query<unknown> {
  return tx`update log_cursors set holder = '', lease_until_ms = 0 where name = ${name} and holder = ${holder}`;
}

/** A process that serves. */
export interface ReplicaRow extends Cursor {
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  /** Grows with each sign of life. */
  readonly renewals: number;
  /** How long it redirects from memory at the most once the store does not answer. */
  readonly outage_ms: number;
  /** By its own clock, when it last gave one. */
  readonly seen_at_ms: number;
}

export function putReplica(tx: Tx, row: ReplicaRow): Query<unknown> {
  return tx`
    insert into replicas ${tx([row], "name", "host", "pid", "epoch", "next_index", "renewals", "outage_ms", "seen_at_ms")}
    on conflict (name) do update set epoch = excluded.epoch, next_index = excluded.next_index,
      renewals = excluded.renewals, outage_ms = excluded.outage_ms, seen_at_ms = excluded.seen_at_ms`;
}

export function listReplicas(sql: Sql, limit: number): Query<ReplicaRow> {
  return sql`
    select name, host, pid, epoch, next_index, renewals, outage_ms, seen_at_ms from replicas order by name limit ${limit}`;
}

/** Nothing where it has given a sign of life since it was at `renewals`. */
export function deleteReplica(tx: Tx, { name, renewals }: Pick<ReplicaRow, "name" | "renewals">): Query<unknown> {
  return tx`delete from replicas where name = ${name} and renewals <= ${renewals}`;
}
