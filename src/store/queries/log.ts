// Every statement about the signed log: the queue before it, its leaves and tree hashes, its head, its quarantine.

import { DESTINATION_COLUMNS, type Destination } from "../../model/destination.ts";
import type { EventKey, EventRow, EventType } from "../../model/event.ts";
import type { Query, Sql, Tx } from "../store.ts";
import { areEvents, type EventWithPrevious, eventColumns, selectWithPrevious } from "./events.ts";

export interface LogHead {
  readonly size: number;
  /** The newest checkpoint as it was signed; empty where no sequencer has started the log. */
  readonly note: string;
  readonly at_ms: number;
}

/** No row where another sequencer is at work. */
export function lockLogHead(tx: Tx): Query<LogHead> {
  return tx`select size, note, at_ms from log_head where id = 1 ${tx.forUpdateSkipLocked}`;
}

export function readLogHead(sql: Sql): Query<LogHead> {
  return sql`select size, note, at_ms from log_head where id = 1`;
}

/** The head, and the oldest row that waits past `afterQueueId`. */
export function peekLog(sql: Sql, afterQueueId: number): Query<LogHead & { readonly oldest: number | null }> {
  return sql`
    select size, note, at_ms, (select min(id) from log_queue where id > ${afterQueueId}) as oldest
    from log_head where id = 1`;
}

/** When the event was made that waits longest, and when a process that serves last gave a sign of life; null for neither. */
export function readOldestPending(
  sql: Sql,
): Query<{ readonly oldest_at_ms: number | null; readonly seen_at_ms: number | null }> {
  return sql`
    select (select e.at_ms from log_queue q join events e on e.id = q.event_id order by q.id limit 1) as oldest_at_ms,
           (select max(seen_at_ms) from replicas) as seen_at_ms`;
}

/** The log as a follower sees it. */
export interface LogLook extends LogHead {
  /** The first and the last queue row that waits past a hint. */
  readonly oldest: number | null;
  readonly newest: number | null;
  /** How often the log went back; null for never. */
  readonly epoch: number | null;
  /** The hashes of its last entry and of the one that the follower was told last; null where there is none. */
  readonly last_hash: Uint8Array | null;
  readonly told_hash: Uint8Array | null;
}

/** `next` is the index of the first entry that the follower was not told of. */
export function lookAtLog(
  sql: Sql,
  { afterQueueId, next }: { readonly afterQueueId: number; readonly next: number },
): Query<LogLook> {
  return sql`
    select size, note, at_ms, (select min(id) from log_queue where id > ${afterQueueId}) as oldest,
           (select max(id) from log_queue) as newest, (select epoch from logs where id = 1) as epoch,
           (select leaf_hash from log_leaf where idx = log_head.size - 1) as last_hash,
           (select leaf_hash from log_leaf where idx = ${next - 1}) as told_hash
    from log_head where id = 1`;
}

export function readEpoch(sql: Sql): Query<{ readonly epoch: number }> {
  return sql`select epoch from logs where id = 1`;
}

/** What the log's own events say, oldest first: each holds a signed statement that it went back. */
export function listLogStates(sql: Sql): Query<{ readonly state: string | null }> {
  return sql`select state from events where subject_type = 'log' and subject_id = 1 order by version`;
}

/** An event that waits for the log, and what has become of its subject's event before it. */
export type PendingEvent = EventRow & {
  readonly queue_id: number;
  readonly previous_id: number | null;
  /** As the log holds it; null where it is not in the log. */
  readonly previous_hash: Uint8Array | null;
  readonly previous_quarantined: number | null;
  /** Set where the event is in the log or in quarantine already: somebody has queued it again. */
  readonly settled_id: number | null;
};

export function listPending(sql: Sql, afterQueueId: number, limit: number): Query<PendingEvent> {
  return sql`
    select ${eventColumns(sql)}, q.id as queue_id, p.id as previous_id,
           (select l.leaf_hash from log_leaf l where l.event_id = p.id) as previous_hash,
           (select z.event_id from log_quarantine z where z.event_id = p.id) as previous_quarantined,
           coalesce((select l.event_id from log_leaf l where l.event_id = e.id),
                    (select z.event_id from log_quarantine z where z.event_id = e.id)) as settled_id
    from log_queue q
    join events e on e.id = q.event_id
    left join events p on p.subject_type = e.subject_type and p.subject_id = e.subject_id and p.version = e.version - 1
    where q.id > ${afterQueueId}
    order by q.id limit ${limit}`;
}

export function listQuarantined(
  sql: Sql,
  limit: number,
): Query<{
  event_id: number;
  reason: string;
  at_ms: number;
  subject_type: string;
  subject_id: number;
  version: number;
}> {
  return sql`
    select z.event_id, z.reason, z.at_ms, e.subject_type, e.subject_id, e.version
    from log_quarantine z left join events e on e.id = z.event_id order by z.event_id limit ${limit}`;
}

/** What a scrape wants to know; the quarantine is small, or the least of somebody's worries. */
export function readHeadAndQuarantine(sql: Sql): Query<LogHead & { readonly quarantined: number }> {
  return sql`
    select size, note, at_ms, (select count(*) from log_quarantine) as quarantined from log_head where id = 1`;
}

/** Gives quarantined events back to the queue, oldest first, to be checked once more. */
export function requeueQuarantined(tx: Tx, generation: number): Query<{ event_id: number }> {
  return tx`
    insert into log_queue (event_id, generation) select z.event_id, cast(${generation} as integer) from log_quarantine z join events e on e.id = z.event_id
    where not exists (select 1 from log_queue q where q.event_id = z.event_id) order by z.event_id
    returning event_id`;
}

/** After the events were given back to the queue; those that are gone altogether are let go as well. */
export function clearQuarantine(tx: Tx): Query<unknown> {
  return tx`
    delete from log_quarantine where event_id in (select event_id from log_queue)
      or not exists (select 1 from events e where e.id = log_quarantine.event_id)`;
}

/** Events from `afterId` up to `throughId` that are in neither queue nor log nor quarantine. */
export function listForgotten(sql: Sql, afterId: number, throughId: number, limit: number): Query<{ id: number }> {
  return sql`
    select e.id from events e
    where e.id > ${afterId} and e.id <= ${throughId}
      and not exists (select 1 from log_leaf l where l.event_id = e.id)
      and not exists (select 1 from log_queue q where q.event_id = e.id)
      and not exists (select 1 from log_quarantine z where z.event_id = e.id)
    order by e.id limit ${limit}`;
}

export function enqueue(tx: Tx, eventIds: readonly number[], generation: number): Query<unknown> {
  return tx`
    insert into log_queue (event_id, generation)
    select id, cast(${generation} as integer) from events where id ${tx.among(eventIds)} order by id`;
}

export function findNewestEventId(sql: Sql): Query<{ id: number | null }> {
  return sql`select max(id) as id from events`;
}

export function findEventIdAt(sql: Sql, idx: number): Query<{ event_id: number }> {
  return sql`select event_id from log_leaf where idx = ${idx}`;
}

export function listLeafHashes(sql: Sql, start: number, end: number): Query<{ idx: number; hash: Uint8Array }> {
  return sql`select idx, leaf_hash as hash from log_leaf where idx >= ${start} and idx < ${end} order by idx`;
}

export function listNodeHashes(
  sql: Sql,
  level: number,
  start: number,
  end: number,
): Query<{ idx: number; hash: Uint8Array }> {
  return sql`
    select idx, hash from log_node where level = ${level} and idx >= ${start} and idx < ${end} order by idx`;
}

/** The leaves' own bytes, in log order. */
export function listEntries(sql: Sql, start: number, end: number): Query<{ idx: number; leaf: Uint8Array }> {
  return sql`
    select l.idx, e.leaf from log_leaf l join events e on e.id = l.event_id
    where l.idx >= ${start} and l.idx < ${end} order by l.idx`;
}

/** What followers need to know of each leaf from `start` on. */
export interface TailRow {
  readonly idx: number;
  readonly leaf_hash: Uint8Array;
  readonly subject_type: string;
  readonly subject_id: number;
  readonly version: number;
  readonly op: EventType;
  readonly at_ms: number;
  /** A link as the event, or one after it, has made it; null for everything else. */
  readonly link: Destination | null;
}

/** With the link's own columns; its version is `link_version`, beside that of the event. */
type StoredTailRow = Omit<TailRow, "link"> & {
  readonly [Column in Exclude<keyof Destination, "version">]: Destination[Column] | null;
} & { readonly link_version: number | null };

export async function listTail(sql: Sql, start: number, limit: number): Promise<TailRow[]> {
  const rows = await selectTail(sql, start, limit);
  return rows.map(({ idx, leaf_hash, subject_type, subject_id, version, op, at_ms, link_version, ...link }) => ({
    idx,
    leaf_hash,
    subject_type,
    subject_id,
    version,
    op,
    at_ms,
    link: link.id === null ? null : ({ ...link, version: link_version } as Destination),
  }));
}

export function selectTail(sql: Sql, start: number, limit: number): Query<StoredTailRow> {
  return sql`
    select l.idx, l.leaf_hash, e.subject_type, e.subject_id, e.version, e.op, e.at_ms,
           ${sql.names(...DESTINATION_COLUMNS.map((name) => `u.${name}`))}, u.version as link_version
    from log_leaf l
    join events e on e.id = l.event_id
    left join urls u on e.subject_type = 'url' and u.id = e.subject_id
    where l.idx >= ${start} and l.idx < (select size from log_head where id = 1) order by l.idx limit ${limit}`;
}

export function listLoggedEvents(
  sql: Sql,
  start: number,
  limit: number,
): Query<EventWithPrevious & { readonly log_index: number }> {
  return sql`
    select w.*, l.idx as log_index from log_leaf l
    join (${selectWithPrevious(sql)}) w on w.id = l.event_id
    where l.idx >= ${start} and l.idx < (select size from log_head where id = 1)
    order by l.idx limit ${limit}`;
}

export function findLeaf(sql: Sql, eventId: number): Query<{ idx: number; leaf_hash: Uint8Array }> {
  return sql`select idx, leaf_hash from log_leaf where event_id = ${eventId}`;
}

/** Where events stand, by subject and version: those that are gone are not there. */
export function listStanding(
  sql: Sql,
  events: readonly EventKey[],
): Query<EventKey & { leaf_hash: Uint8Array; log_index: number | null; queue_id: number | null }> {
  return sql`
    select e.subject_type, e.subject_id, e.version, e.leaf_hash, l.idx as log_index, q.id as queue_id
    from (select * from events where ${areEvents(sql, events)}) e
    left join log_leaf l on l.event_id = e.id and l.leaf_hash = e.leaf_hash
      and l.idx < (select size from log_head where id = 1)
    left join log_queue q on q.event_id = e.id`;
}

/** Reads whole tables: for verification only. */
export function countLog(sql: Sql): Query<{ leaves: number; nodes: number }> {
  return sql`select (select count(*) from log_leaf) as leaves, (select count(*) from log_node) as nodes`;
}

/** Leaves whose event is gone. */
export function listOrphanLeaves(sql: Sql, limit: number): Query<{ idx: number }> {
  return sql`
    select l.idx from log_leaf l where not exists (select 1 from events e where e.id = l.event_id)
    order by l.idx limit ${limit}`;
}

/** Rows of queue or quarantine whose event is gone. */
export function listOrphansBeforeLog(sql: Sql, limit: number): Query<{ event_id: number }> {
  return sql`
    select w.event_id from (select event_id from log_queue union all select event_id from log_quarantine) w
    where not exists (select 1 from events e where e.id = w.event_id)
    order by w.event_id limit ${limit}`;
}
