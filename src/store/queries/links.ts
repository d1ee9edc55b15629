// How links are found and listed. (How subjects of any kind are read by id, locked and written: subjects.ts.)

import { isCode, isId } from "../../model/code.ts";
import type { LinkRow } from "../../model/link.ts";
import { LINK } from "../../model/link-subject.ts";
import { columnsOf } from "../../model/subject.ts";
import type { Query, Sql } from "../store.ts";

export interface LinkPage {
  readonly userId?: number;
  readonly isActive?: boolean;
  readonly search?: string;
  /** Links that bear all of these (model/tags.ts). */
  readonly tagKeys?: readonly string[];
  /** Links older than this one, by (created_at, id). */
  readonly before?: { readonly createdAtMs: number; readonly id: number };
  readonly limit: number;
  readonly offset: number;
}

export function findLinkById(sql: Sql, id: number): Query<LinkRow> {
  return sql`select ${columns(sql)} from urls where id = ${id}`;
}

export function findLinkByCode(sql: Sql, code: string): Query<LinkRow> {
  return sql`select ${columns(sql)} from urls where short_code = ${code}`;
}

/** All digits read as an id, all else as a code. Text that can be neither is not looked up at all. */
export async function lookUpLink(sql: Sql, codeOrId: string): Promise<LinkRow[]> {
  if (isId(codeOrId)) return findLinkById(sql, Number(codeOrId));
  return isCode(codeOrId) ? findLinkByCode(sql, codeOrId) : [];
}

export function listLinks(sql: Sql, page: LinkPage): Query<LinkRow> {
  const { userId, isActive, search, tagKeys = [], before } = page;
  return sql`
    select ${columns(sql)} from urls
    where 1 = 1
    ${userId === undefined ? sql`` : sql`and user_id = ${userId}`}
    ${isActive === undefined ? sql`` : isActive ? sql`and is_active = 1` : sql`and is_active = 0`}
    ${search === undefined ? sql`` : matches(sql, search)}
    ${bear(sql, tagKeys)}
    ${before === undefined ? sql`` : sql`and (created_at_ms, id) < (${before.createdAtMs}, ${before.id})`}
    order by created_at_ms desc, id desc
    limit ${page.limit} offset ${page.offset}`;
}

/** All of the tags. */
function bear(sql: Sql, keys: readonly string[]): Query<unknown> {
  const one = (key: string) => sql`and id in (select url_id from link_tags where tag_key = ${key})`;
  return keys.map(one).reduce((before, next) => sql`${before} ${next}`, sql``);
}

/** The oldest live link that is the same in all of `wanted`, whose target has that key (link-sides.ts); with a code, the one that has it. */
export function findSameLink(
  sql: Sql,
  wanted: Partial<LinkRow>,
  { targetKey, code, nowMs }: { readonly targetKey: number; readonly code: string | undefined; readonly nowMs: number },
): Query<LinkRow> {
  const isSame = ([column, value]: [string, unknown]) =>
    value === null
      ? sql`and ${sql.names(column)} is null`
      : sql`and ${sql.names(column)} = ${value as string | number}`;
  return sql`
    select ${columns(sql)} from urls
    where id in (select url_id from link_targets where target_key = ${targetKey} ${inBlocks(sql)})
    ${Object.entries(wanted)
      .map(isSame)
      .reduce((before, next) => sql`${before} ${next}`, sql``)}
    ${code === undefined ? sql`` : sql`and short_code = ${code}`}
    and is_active = 1 and (expires_at_ms is null or expires_at_ms > ${nowMs}) order by id limit 1`;
}

/** SQLite's index of targets begins with the block of a link's id (migration 0012): each that has links is looked into. */
function inBlocks(sql: Sql): Query<unknown> {
  if (sql.engine !== "sqlite") return sql``;
  return sql`
    and url_id >> 11 in (
      with recursive blocks (block) as (
        select min(url_id) >> 11 from link_targets
        union all
        select (select min(url_id) >> 11 from link_targets where url_id >= (block + 1) << 11)
        from blocks where block is not null)
      select block from blocks)`;
}

/** Any of those that a user owns, inactive ones included. */
export function listOwned(sql: Sql, userId: number, limit: number): Query<{ id: number }> {
  return sql`select id from urls where user_id = ${userId} limit ${limit}`;
}

/** As far as `most`. */
export function countOwned(sql: Sql, userId: number, most: number): Query<{ count: number }> {
  return sql`select count(*) as count from (select 1 as one from urls where user_id = ${userId} limit ${most}) owned`;
}

/** Which of these codes links have. */
export function listCodes(sql: Sql, codes: readonly string[], limit: number): Query<{ short_code: string }> {
  return sql`select short_code from urls where short_code ${sql.among(codes)} order by short_code limit ${limit}`;
}

/** Folded both ways: `lower` folds only ASCII on SQLite and in some of PostgreSQL's locales, all letters in others. */
function matches(sql: Sql, search: string): Query<unknown> {
  const escaped = search.replace(/[!%_]/g, "!$&");
  const folded = `%${escaped.toLowerCase()}%`;
  const asciiFolded = `%${escaped.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())}%`;
  return sql`and (
    lower(short_code) like ${folded} escape '!'
    or lower(original_url) like ${folded} escape '!' or lower(original_url) like ${asciiFolded} escape '!'
    or lower(title) like ${folded} escape '!' or lower(title) like ${asciiFolded} escape '!')`;
}

function columns(sql: Sql): Query<unknown> {
  return sql.names(...columnsOf(LINK));
}
