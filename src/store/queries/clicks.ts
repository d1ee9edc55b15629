// Every statement about clicks: totals that stay, hours that are kept for a while, batches that must not count twice.

import type { Query, Sql, Tx } from "../store.ts";

export type ClickKind = "click" | "bot" | "prefetch" | "head";

export interface ClickHour {
  readonly url_id: number;
  /** Hours since the epoch. */
  readonly hour: number;
  readonly kind: ClickKind;
  readonly device: string;
  readonly referrer: string;
  readonly clicks: number;
}

export function findClicks(sql: Sql, urlId: number): Query<{ clicks: number }> {
  return sql`select clicks from click_totals where url_id = ${urlId}`;
}

/** No row for a link that nobody followed. */
export function listClickTotals(sql: Sql, urlIds: readonly number[]): Query<{ url_id: number; clicks: number }> {
  return sql`select url_id, clicks from click_totals where url_id ${sql.among(urlIds)}`;
}

/** No row where the batch was recorded before. */
export function recordBatch(tx: Tx, id: string): Query<{ id: string }> {
  return tx`insert into click_batches (id) values (${id}) on conflict (id) do nothing returning id`;
}

/** For batches whose file is gone, which cannot be recorded again. */
export function forgetBatches(tx: Tx, ids: readonly string[]): Query<unknown> {
  return tx`delete from click_batches where id in ${tx(ids)}`;
}

/** Each row's key at most once, in the order of the key, so that two replicas lock alike. */
export function addClickHours(tx: Tx, rows: readonly ClickHour[]): Query<unknown> {
  return tx`
    insert into click_hours ${tx(rows, "url_id", "hour", "kind", "device", "referrer", "clicks")}
    on conflict (url_id, hour, kind, device, referrer) do update set clicks = click_hours.clicks + excluded.clicks`;
}

export function addClickTotals(
  tx: Tx,
  rows: readonly { readonly url_id: number; readonly clicks: number }[],
): Query<unknown> {
  return tx`
    insert into click_totals ${tx(rows, "url_id", "clicks")}
    on conflict (url_id) do update set clicks = click_totals.clicks + excluded.clicks`;
}

/** Of links that have none yet. */
export function addImportedClicks(
  tx: Tx,
  rows: readonly { readonly url_id: number; readonly clicks: number }[],
): Query<unknown> {
  return tx`insert into imported_clicks ${tx(rows, "url_id", "clicks")}`;
}

export function findImportedClicks(sql: Sql, urlId: number): Query<{ clicks: number }> {
  return sql`select clicks from imported_clicks where url_id = ${urlId}`;
}

/** The sum of all click totals, maintained so that it need not be computed. */
export function addToClickSum(tx: Tx, clicks: number): Query<unknown> {
  return tx`
    insert into counters (name, shard, value) values ('clicks', 0, ${clicks})
    on conflict (name, shard) do update set value = counters.value + excluded.value`;
}

export interface ClickRange {
  readonly urlId: number;
  readonly fromHour: number;
  /** Excluded. */
  readonly toHour: number;
  readonly limit: number;
}

export interface ClickCounts {
  readonly clicks: number;
  readonly bots: number;
  readonly prefetches: number;
  readonly heads: number;
}

/** By the start of an hour or day, in hours since the epoch, oldest first. */
export function sumClicksByTime(sql: Sql, range: ClickRange, hoursEach: 1 | 24): Query<ClickCounts & { hour: number }> {
  return sql`
    select hour / cast(${hoursEach} as integer) * cast(${hoursEach} as integer) as hour, ${counts(sql)}
    from click_hours where url_id = ${range.urlId} and hour >= ${range.fromHour} and hour < ${range.toHour}
    group by 1 order by 1 limit ${range.limit}`;
}

/** By where they came from or on what, most clicks first. */
export function sumClicksByLabel(
  sql: Sql,
  range: ClickRange,
  label: "referrer" | "device",
): Query<ClickCounts & { label: string }> {
  return sql`
    select ${label === "referrer" ? sql`referrer` : sql`device`} as label, ${counts(sql)}
    from click_hours where url_id = ${range.urlId} and hour >= ${range.fromHour} and hour < ${range.toHour}
    group by 1 order by 2 desc, 1 limit ${range.limit}`;
}

/** Deletes hours before `hour`, those of a bounded number of rows at a time; the number of rows deleted. */
export function deleteOldHours(tx: Tx, hour: number, limit: number): Query<{ url_id: number }> {
  return tx`
    delete from click_hours where hour < ${hour} and url_id in (
      select url_id from click_hours where hour < ${hour} order by hour limit ${limit})
    returning url_id`;
}

function counts(sql: Sql): Query<unknown> {
  const sum = (kind: ClickKind) => sql`cast(sum(case when kind = ${kind} then clicks else 0 end) as bigint)`;
  return sql`${sum("click")} as clicks, ${sum("bot")} as bots, ${sum("prefetch")} as prefetches, ${sum("head")} as heads`;
}
