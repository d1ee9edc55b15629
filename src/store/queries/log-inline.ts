// Statements of a transaction that puts its events into the log itself (audit/sequencer/inline.ts).

import type { Query, Sql, Tx } from "../store.ts";
import type { LogHead } from "./log.ts";
import type { LeafRow } from "./log-writes.ts";

/** The state of the log before a transaction that may extend it. */
export interface InlineLook extends LogHead {
  readonly last_event_id: number | null;
  /** A row of the queue, and one of the quarantine; null where there is none. */
  readonly waiting: number | null;
  readonly quarantined: number | null;
  /** For which the store was finalized. */
  readonly generation: number;
}

export function lookInline(tx: Tx): Query<InlineLook> {
  return tx`
    select size, note, at_ms, (select max(id) from events) as last_event_id,
           (select min(id) from log_queue) as waiting, (select min(event_id) from log_quarantine) as quarantined,
           (select generation from store_generation where id = 1) as generation
    from log_head where id = 1`;
}

export interface PreviousLeaf {
  readonly idx: number;
  readonly leaf_hash: Uint8Array;
}

/** Of the log's entries from `fromIndex` those that are of no first version, each with the leaf of its subject's event before it. */
export function listPreviousLeaves(sql: Sql, fromIndex: number): Query<PreviousLeaf> {
  return sql`
    select l.idx, pl.leaf_hash
    from log_leaf l
    join events e on e.id = l.event_id
    join events p on p.subject_type = e.subject_type and p.subject_id = e.subject_id and p.version = e.version - 1
    join log_leaf pl on pl.event_id = p.id
    where l.idx >= ${fromIndex} and e.version > 1 order by l.idx`;
}

/** Where the log ends: with how many leaves, and with which event of all there are. */
export interface LeafPlace {
  readonly size: number;
  readonly afterEventId: number;
}

/** Puts every event after one that is the newest in the log into it, in the order of their ids; resolves with the rows, in that order. */
export function appendLeaves(tx: Tx, { size, afterEventId }: LeafPlace): Query<LeafRow> {
  return tx`
    insert into log_leaf (idx, event_id, leaf_hash)
    select cast(${size - 1} as bigint) + row_number() over (order by id), id, leaf_hash
    from events where id > ${afterEventId} order by id
    returning idx, event_id, leaf_hash`;
}
