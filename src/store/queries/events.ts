// Every statement about audit events, the queue before the log, and the counters the database keeps of both.

import type { EventRow, EventType, SubjectType } from "../../model/event.ts";
import type { Query, Sql, Tx } from "../store.ts";

/** An event with the state its subject had before, from which the changes are derived. */
export type EventWithPrevious = EventRow & { readonly previous_state: string | null };

export interface EventPage {
  readonly urlId?: number;
  readonly userId?: number;
  readonly type?: EventType;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Events older than this one, by (at, id). */
  readonly before?: { readonly atMs: number; readonly id: number };
  readonly limit: number;
  readonly offset: number;
}

export function insertEvent(tx: Tx, event: Omit<EventRow, "id">): Query<unknown> {
  return tx`
    insert into events (subject_type, subject_id, version, op, at_ms, leaf, leaf_hash, tag, actor, state, user_id)
    values (${event.subject_type}, ${event.subject_id}, ${event.version}, ${event.op}, ${event.at_ms}, ${event.leaf},
            ${event.leaf_hash}, ${event.tag}, ${event.actor}, ${event.state}, ${event.user_id})`;
}

/** By hash and not by id, so that it can be sent in one go with the insert of the event itself. */
export function queueEvent(tx: Tx, leafHash: Uint8Array): Query<unknown> {
  return tx`insert into log_queue (event_id) select id from events where leaf_hash = ${leafHash}`;
}

export function listEvents(sql: Sql, page: EventPage): Query<EventWithPrevious> {
  const { urlId, userId, type, sinceMs, untilMs, before } = page;
  return sql`
    ${selectWithPrevious(sql)}
    where 1 = 1
    ${urlId === undefined ? sql`` : sql`and e.subject_type = 'url' and e.subject_id = ${urlId}`}
    ${userId === undefined ? sql`` : sql`and e.user_id = ${userId}`}
    ${type === undefined ? sql`` : sql`and e.op = ${type}`}
    ${sinceMs === undefined ? sql`` : sql`and e.at_ms >= ${sinceMs}`}
    ${untilMs === undefined ? sql`` : sql`and e.at_ms < ${untilMs}`}
    ${before === undefined ? sql`` : sql`and (e.at_ms, e.id) < (${before.atMs}, ${before.id})`}
    order by e.at_ms desc, e.id desc
    limit ${page.limit} offset ${page.offset}`;
}

export function findEvent(sql: Sql, id: number): Query<EventWithPrevious> {
  return sql`${selectWithPrevious(sql)} where e.id = ${id}`;
}

/** A subject's history, oldest first, from the version after `afterVersion`. */
export function listHistory(
  sql: Sql,
  subject: { readonly type: SubjectType; readonly id: number },
  page: { readonly afterVersion: number; readonly limit: number; readonly offset: number },
): Query<EventWithPrevious> {
  return sql`
    ${selectWithPrevious(sql)}
    where e.subject_type = ${subject.type} and e.subject_id = ${subject.id} and e.version > cast(${page.afterVersion} as bigint)
    order by e.version limit ${page.limit} offset ${page.offset}`;
}

/** A subject's newest event that happened at or before `atMs`. */
export function findEventAsOf(
  sql: Sql,
  subject: { readonly type: SubjectType; readonly id: number },
  atMs: number,
): Query<EventRow> {
  return sql`
    select ${columns(sql)} from events e
    where e.subject_type = ${subject.type} and e.subject_id = ${subject.id} and e.at_ms <= ${atMs}
    order by e.version desc limit 1`;
}

/** All events of one kind of subject by (subject, version): the order in which chains are checked. */
export function listChains(
  sql: Sql,
  type: SubjectType,
  after: { readonly subjectId: number; readonly version: number },
  limit: number,
): Query<EventRow> {
  return sql`
    select ${columns(sql)} from events e
    where e.subject_type = ${type} and e.subject_id <= ${Number.MAX_SAFE_INTEGER}
      and (e.subject_id, e.version) > (${after.subjectId}, ${after.version})
    order by e.subject_id, e.version limit ${limit}`;
}

export function findNewestEvent(sql: Sql): Query<EventRow> {
  return sql`select ${columns(sql)} from events e order by e.id desc limit 1`;
}

/** Every row there is, whatever is in it. Reads whole tables: for verification only. */
export function countEverything(sql: Sql): Query<{ events: number; url: number; user: number; key: number }> {
  return sql`
    select (select count(*) from events) as events, (select count(*) from urls) as url,
           (select count(*) from users) as "user", (select count(*) from keys) as "key"`;
}

/** Events that wait in no queue: nobody would ever put them into the log. */
export function listUnqueued(
  sql: Sql,
  limit: number,
): Query<{ id: number; subject_type: SubjectType; subject_id: number; version: number }> {
  return sql`
    select e.id, e.subject_type, e.subject_id, e.version from events e
    where not exists (select 1 from log_queue q where q.event_id = e.id)
    order by e.id limit ${limit}`;
}

/** Queue rows whose event is gone. */
export function listOrphansInQueue(sql: Sql, limit: number): Query<{ event_id: number }> {
  return sql`
    select q.event_id from log_queue q
    where not exists (select 1 from events e where e.id = q.event_id)
    order by q.id limit ${limit}`;
}

export function readCounters(sql: Sql): Query<{ name: string; value: number }> {
  return sql`select name, cast(sum(value) as bigint) as value from counters group by name order by name`;
}

function selectWithPrevious(sql: Sql): Query<unknown> {
  return sql`
    select ${columns(sql)}, p.state as previous_state
    from events e
    left join events p on p.subject_type = e.subject_type and p.subject_id = e.subject_id and p.version = e.version - 1`;
}

function columns(sql: Sql): Query<unknown> {
  return sql`e.id, e.subject_type, e.subject_id, e.version, e.op, e.at_ms, e.leaf, e.leaf_hash, e.tag, e.actor, e.state,
             e.user_id`;
}
