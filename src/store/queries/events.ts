// Every statement about audit events, the queue before the log, and the counters the database keeps of both.

import type { EventKey, EventRow, EventType } from "../../model/event.ts";
import { columns } from "../../model/subject.ts";
import type { Query, Sql, Tx } from "../store.ts";

/** An event with the state its subject had before, from which the changes are derived. */
export type EventWithPrevious = EventRow & { readonly previous_state: string | null };

export interface EventPage {
  readonly urlId?: number;
  readonly userId?: number;
  /** Beside its owner in `userId`: of that user's events those of this key are picked out. */
  readonly keyId?: number;
  /** Of links that bear this tag now. */
  readonly tagKey?: string;
  readonly type?: EventType;
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Reads every event of the time that is asked for. */
  readonly requestId?: string;
  /** Events older than this one, by (at, id). */
  readonly before?: { readonly atMs: number; readonly id: number };
  readonly limit: number;
  readonly offset: number;
}

const COLUMNS = columns({
  subject_type: "text",
  subject_id: "integer",
  version: "integer",
  op: "text",
  at_ms: "integer",
  leaf: "bytes",
  leaf_hash: "bytes",
  tag: "bytes",
  actor: "text",
  state: "text",
  user_id: "integer",
});

export function insertEvents(tx: Tx, events: readonly Omit<EventRow, "id">[]): Query<unknown> {
  return tx.insertRows("events", COLUMNS, events);
}

/** By subject and version and not by id, so that it can be sent in one go with the insert of the events themselves. */
export function queueEvents(tx: Tx, events: readonly EventKey[], generation: number): Query<unknown> {
  return tx`
    insert into log_queue (event_id, generation)
    select id, cast(${generation} as integer) from events where ${areEvents(tx, events)} order by id`;
}

/** A condition on a table of events; there must be at least one. */
export function areEvents(sql: Sql, events: readonly EventKey[]): Query<unknown> {
  const groups = Map.groupBy(events, ({ subject_type, version }) => `${subject_type} ${version}`);
  const conditions = [...groups.values()].map((group) => {
    const [{ subject_type, version }] = group as [EventKey];
    const ids = group.map(({ subject_id }) => subject_id);
    return sql`(subject_type = ${subject_type} and version = ${version} and subject_id ${sql.among(ids)})`;
  });
  return conditions.reduce((before, condition) => sql`${before} or ${condition}`);
}

export function listEvents(sql: Sql, page: EventPage): Query<EventWithPrevious> {
  const { urlId, userId, keyId, tagKey, type, sinceMs, untilMs, requestId, before } = page;
  // As JSON writes it, its quotes included: nothing else in an actor reads like this. LIKE would not tell cases apart everywhere.
  const member = requestId === undefined ? "" : `"request_id":${JSON.stringify(requestId)}`;
  const keyMember = `"key_id":${keyId},`;
  return sql`
    ${selectWithPrevious(sql)}
    where 1 = 1
    ${urlId === undefined ? sql`` : sql`and e.subject_type = 'url' and e.subject_id = ${urlId}`}
    ${userId === undefined ? sql`` : sql`and e.user_id = ${userId}`}
    ${keyId === undefined ? sql`` : sql`and replace(e.actor, ${keyMember}, '') <> e.actor`}
    ${tagKey === undefined ? sql`` : sql`and e.subject_type = 'url' and e.subject_id in (select url_id from link_tags where tag_key = ${tagKey})`}
    ${type === undefined ? sql`` : sql`and e.op = ${type}`}
    ${sinceMs === undefined ? sql`` : sql`and e.at_ms >= ${sinceMs}`}
    ${untilMs === undefined ? sql`` : sql`and e.at_ms < ${untilMs}`}
    ${requestId === undefined ? sql`` : sql`and replace(e.actor, ${member}, '') <> e.actor`}
    ${before === undefined ? sql`` : sql`and (e.at_ms, e.id) < (${before.atMs}, ${before.id})`}
    order by e.at_ms desc, e.id desc
    limit ${page.limit} offset ${page.offset}`;
}

/** In the order in which they were written, from the one after `afterId`. */
export function listEventsAfter(sql: Sql, afterId: number, sinceMs: number, limit: number): Query<EventWithPrevious> {
  return sql`${selectWithPrevious(sql)} where e.id > ${afterId} and e.at_ms >= ${sinceMs} order by e.id limit ${limit}`;
}

export function findEvent(sql: Sql, id: number): Query<EventWithPrevious> {
  return sql`${selectWithPrevious(sql)} where e.id = ${id}`;
}

export function findEventNamed(sql: Sql, name: EventKey): Query<EventWithPrevious> {
  return sql`${selectWithPrevious(sql)}
    where e.subject_type = ${name.subject_type} and e.subject_id = ${name.subject_id} and e.version = cast(${name.version} as bigint)`;
}

/** A subject's history, oldest first, from the version after `afterVersion`. */
export function listHistory(
  sql: Sql,
  subject: { readonly type: string; readonly id: number },
  page: { readonly afterVersion: number; readonly limit: number; readonly offset: number },
): Query<EventWithPrevious> {
  return sql`
    ${selectWithPrevious(sql)}
    where e.subject_type = ${subject.type} and e.subject_id = ${subject.id} and e.version > cast(${page.afterVersion} as bigint)
    order by e.version limit ${page.limit} offset ${page.offset}`;
}

/** A subject's newest event of a kind, up to a version. */
export function findNewestOf(
  sql: Sql,
  subject: { readonly type: string; readonly id: number; readonly throughVersion: number },
  op: EventType,
): Query<EventWithPrevious> {
  return sql`
    ${selectWithPrevious(sql)}
    where e.subject_type = ${subject.type} and e.subject_id = ${subject.id}
      and e.version <= cast(${subject.throughVersion} as bigint) and e.op = ${op}
    order by e.version desc limit 1`;
}

/** A subject's newest event that happened at or before `atMs`. */
export function findEventAsOf(
  sql: Sql,
  subject: { readonly type: string; readonly id: number },
  atMs: number,
): Query<EventRow> {
  return sql`
    select ${eventColumns(sql)} from events e
    where e.subject_type = ${subject.type} and e.subject_id = ${subject.id} and e.at_ms <= ${atMs}
    order by e.version desc limit 1`;
}

/** An event and where it stands on its way into the log: exactly one of the three is there. */
export type LoggedEvent = EventRow & {
  readonly log_index: number | null;
  /** The hash that the log holds at that index. */
  readonly log_hash: Uint8Array | null;
  readonly queue_id: number | null;
  readonly quarantine_reason: string | null;
};

/** All events of one kind of subject by (subject, version): the order in which chains are checked. */
export function listChains(
  sql: Sql,
  type: string,
  after: { readonly subjectId: number; readonly version: number },
  limit: number,
): Query<LoggedEvent> {
  return sql`
    select ${eventColumns(sql)}, l.idx as log_index, l.leaf_hash as log_hash, q.id as queue_id, z.reason as quarantine_reason
    from events e
    left join log_leaf l on l.event_id = e.id
    left join log_queue q on q.event_id = e.id
    left join log_quarantine z on z.event_id = e.id
    where e.subject_type = ${type} and e.subject_id <= ${Number.MAX_SAFE_INTEGER}
      and (e.subject_id, e.version) > (${after.subjectId}, ${after.version})
    order by e.subject_id, e.version limit ${limit}`;
}

/** Up to `each` of the oldest events and as many of the newest; where there are few, some of them twice. */
export function listOldestAndNewest(sql: Sql, each: number): Query<EventRow> {
  return sql`
    select * from (select ${eventColumns(sql)} from events e order by e.id limit ${each}) oldest
    union all
    select * from (select ${eventColumns(sql)} from events e order by e.id desc limit ${each}) newest`;
}

/** Every row there is, whatever is in it. Reads the whole table: for verification only. */
export function countEvents(sql: Sql): Query<{ count: number }> {
  return sql`select count(*) as count from events`;
}

/** Events that somebody did and that still say so, oldest first. */
export function listActorsToErase(sql: Sql, userId: number, limit: number): Query<EventName> {
  return sql`
    select id, subject_type, subject_id, version from events where user_id = ${userId} and actor is not null
    order by at_ms, id limit ${limit}`;
}

/** Events of a subject that still say what it was, up to a version; those that erased something must go on saying what. */
export function listStatesToErase(
  sql: Sql,
  subject: { readonly type: string; readonly id: number; readonly throughVersion: number },
  limit: number,
): Query<EventName> {
  return sql`
    select id, subject_type, subject_id, version from events
    where subject_type = ${subject.type} and subject_id = ${subject.id}
      and version <= cast(${subject.throughVersion} as bigint)
      and state is not null and op <> 'erased'
    order by version limit ${limit}`;
}

export type EventName = EventKey & Pick<EventRow, "id">;

export function eraseActors(tx: Tx, eventIds: readonly number[]): Query<unknown> {
  return tx`update events set actor = null, user_id = null where id ${tx.among(eventIds)}`;
}

export function eraseStates(tx: Tx, eventIds: readonly number[]): Query<unknown> {
  return tx`update events set state = null where id ${tx.among(eventIds)}`;
}

export function readCounters(sql: Sql): Query<{ name: string; value: number }> {
  return sql`select name, cast(sum(value) as bigint) as value from counters group by name order by name`;
}

/** Events `e` with the state that their subjects had before. */
export function selectWithPrevious(sql: Sql): Query<unknown> {
  return sql`
    select ${eventColumns(sql)}, p.state as previous_state
    from events e
    left join events p on p.subject_type = e.subject_type and p.subject_id = e.subject_id and p.version = e.version - 1`;
}

export function eventColumns(sql: Sql): Query<unknown> {
  return sql`e.id, e.subject_type, e.subject_id, e.version, e.op, e.at_ms, e.leaf, e.leaf_hash, e.tag, e.actor, e.state,
             e.user_id`;
}

/** The first events of subjects of one kind: what an import that is repeated is held against. */
export function listFirstEvents(
  sql: Sql,
  type: string,
  ids: readonly number[],
): Query<Pick<EventRow, "subject_id" | "op" | "state">> {
  const [least, most] = [ids.reduce((a, b) => Math.min(a, b), Infinity), ids.reduce((a, b) => Math.max(a, b), 0)];
  // Before the first ANALYZE PostgreSQL would walk over all of the kind; batches are of ids that follow one another.
  return sql`
    select subject_id, op, state from events
    where subject_type = ${type} and subject_id ${sql.among(ids)} and version = 1
    and subject_id between ${Math.min(least, Number.MAX_SAFE_INTEGER)} and ${most}`;
}
