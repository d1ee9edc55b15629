// Every statement about incidents: which there are, which links they match, which they took down.

import { INCIDENT, type IncidentRow } from "../../model/incident.ts";
import { foldAscii, type IncidentMatch } from "../../model/incident-match.ts";
import type { LinkRow } from "../../model/link.ts";
import { LINK } from "../../model/link-subject.ts";
import { columnsOf } from "../../model/subject.ts";
import { tagKey } from "../../model/tags.ts";
import type { Query, Sql } from "../store.ts";

export function findIncident(sql: Sql, id: number): Query<IncidentRow> {
  return sql`select ${columns(sql)} from incidents where id = ${id}`;
}

/** The newest first, before the one with this id. */
export function listIncidents(
  sql: Sql,
  { beforeId, limit, offset }: { readonly beforeId: number; readonly limit: number; readonly offset: number },
): Query<IncidentRow> {
  return sql`
    select ${columns(sql)} from incidents where id < ${beforeId} order by id desc limit ${limit} offset ${offset}`;
}

/** Open, and holding what they match. */
export function listHolding(sql: Sql): Query<IncidentRow> {
  return sql`
    select ${columns(sql)} from incidents where is_open = 1 and hold = 1 order by id`;
}

/** Active links that match, by id from the one after `afterId`; whoever locks them asks them once more. */
export function listMatching(sql: Sql, match: IncidentMatch, afterId: number, limit: number): Query<{ id: number }> {
  const { from, id } = matching(sql, match);
  return sql`select ${id} as id ${from} and ${id} > ${afterId} order by ${id} limit ${limit}`;
}

export function countMatching(sql: Sql, match: IncidentMatch): Query<{ links: number }> {
  return sql`select count(*) as links ${matching(sql, match).from}`;
}

export function listNewestMatching(sql: Sql, match: IncidentMatch, limit: number): Query<LinkRow> {
  const names = columnsOf(LINK).map((name) => `u.${name}`);
  return sql`
    select ${sql.names(...names)} ${matching(sql, match).from} order by u.created_at_ms desc, u.id desc limit ${limit}`;
}

export function listMostClicked(
  sql: Sql,
  match: IncidentMatch,
  limit: number,
): Query<{ id: number; short_code: string; clicks: number }> {
  return sql`
    select u.id, u.short_code, c.clicks from (select u.id as id ${matching(sql, match).from}) m
    join urls u on u.id = m.id join click_totals c on c.url_id = m.id
    order by c.clicks desc, u.id limit ${limit}`;
}

/** Who owns most of them. */
export function listOwners(
  sql: Sql,
  match: IncidentMatch,
  limit: number,
): Query<{ user_id: number | null; links: number }> {
  return sql`
    select u.user_id, count(*) as links ${matching(sql, match).from}
    group by u.user_id order by 2 desc, 1 limit ${limit}`;
}

/** Links that are down for an incident still. */
export function listTakenBy(sql: Sql, incidentId: number, afterId: number, limit: number): Query<{ id: number }> {
  return sql`
    select id from urls where incident_id = ${incidentId} and id > ${afterId} order by id limit ${limit}`;
}

export function countTakenBy(sql: Sql, incidentId: number): Query<{ links: number }> {
  return sql`select count(*) as links from urls where incident_id = ${incidentId}`;
}

/** Clicks of people on links in a span of whole hours. */
export function sumClicksOf(
  sql: Sql,
  ids: readonly number[],
  { fromHour, toHour }: { readonly fromHour: number; readonly toHour: number },
): Query<{ url_id: number; clicks: number }> {
  return sql`
    select url_id, cast(sum(clicks) as bigint) as clicks from click_hours
    where url_id ${sql.among(ids)} and kind = 'click' and hour >= ${fromHour} and hour < ${toHour} group by url_id`;
}

/** `from ... where`, beginning at what is rarest, and the column of the link's id that an index gives in order. */
function matching(sql: Sql, match: IncidentMatch): { readonly from: Query<unknown>; readonly id: Query<unknown> } {
  const { host, host_suffix, owner, tag, created_between, codes, glob, key } = match;
  const tagged = tag === undefined ? sql`` : sql`join link_tags t on t.url_id = u.id and t.tag_key = ${tagKey(tag)}`;
  const hosts =
    host === undefined && host_suffix === undefined
      ? sql``
      : sql`join link_hosts h on h.url_id = u.id ${host === undefined ? sql`` : sql`and h.host = ${host}`}
            ${host_suffix === undefined ? sql`` : sql`and (h.host = ${host_suffix} or h.host like ${`%.${escaped(host_suffix)}`} escape '!')`}`;
  const [from, until] = created_between?.map(Date.parse) ?? [];
  return {
    id: host !== undefined ? sql`h.url_id` : tag !== undefined ? sql`t.url_id` : sql`u.id`,
    from: sql`
      from urls u ${hosts} ${tagged}
      where u.is_active = 1
      ${owner === undefined ? sql`` : sql`and u.user_id = ${owner}`}
      ${from === undefined || until === undefined ? sql`` : sql`and u.created_at_ms >= ${from} and u.created_at_ms < ${until}`}
      ${codes === undefined ? sql`` : sql`and u.short_code ${sql.among(codes)}`}
      ${glob === undefined ? sql`` : sql`and lower(u.original_url) like ${patternOf(glob)} escape '!'`}
      ${key === undefined ? sql`` : madeWith(sql, key)}`,
  };
}

/** Its first event says which key it came with. */
function madeWith(sql: Sql, key: number): Query<unknown> {
  const member = `"key_id":${key},`;
  return sql`
    and exists (
      select 1 from events e where e.subject_type = 'url' and e.subject_id = u.id and e.version = 1
        and replace(e.actor, ${member}, '') <> e.actor)`;
}

function escaped(text: string): string {
  return text.replace(/[!%_]/g, "!$&");
}

/** Whatever matches the glob matches this, and perhaps more: databases do not agree on the case of letters that are not ASCII. */
function patternOf(glob: string): string {
  return escaped(foldAscii(glob))
    .replaceAll("*", "%")
    .replaceAll("?", "_")
    .replace(/[^\x20-\x7e]+/g, "%");
}

function columns(sql: Sql): Query<unknown> {
  return sql.names(...columnsOf(INCIDENT));
}
