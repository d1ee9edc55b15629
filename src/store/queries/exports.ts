// Every statement that reads a whole table on its way out, a page at a time, in an order that does not change meanwhile.

import type { LinkRow } from "../../model/link.ts";
import { LINK } from "../../model/link-subject.ts";
import { columnsOf } from "../../model/subject.ts";
import type { Query, Sql } from "../store.ts";
import type { ClickHour } from "./clicks.ts";

/** `clicks` are those that were counted here, and those that were imported. */
export type ExportedLink = LinkRow & { readonly clicks: number; readonly imported: number };

/** By id from the one after `afterId`, those that were changed since. */
export function listLinksAfter(sql: Sql, afterId: number, sinceMs: number, limit: number): Query<ExportedLink> {
  const names = columnsOf(LINK).map((name) => `u.${name}`);
  return sql`
    select ${sql.names(...names)}, coalesce(c.clicks, 0) as clicks, coalesce(i.clicks, 0) as imported
    from urls u left join click_totals c on c.url_id = u.id left join imported_clicks i on i.url_id = u.id
    where u.id > ${afterId} and u.updated_at_ms >= ${sinceMs} order by u.id limit ${limit}`;
}

export type ExportedClicks = ClickHour & { readonly short_code: string };

/** Those of one link after the other, in the order of the table's key. */
export function listClickHoursAfter(
  sql: Sql,
  after: Omit<ClickHour, "clicks">,
  sinceHour: number,
  limit: number,
): Query<ExportedClicks> {
  const { url_id, hour, kind, device, referrer } = after;
  return sql`
    select h.url_id, h.hour, h.kind, h.device, h.referrer, h.clicks, u.short_code
    from click_hours h join urls u on u.id = h.url_id
    where (h.url_id, h.hour, h.kind, h.device, h.referrer) > (${url_id}, ${hour}, ${kind}, ${device}, ${referrer})
      and h.hour >= ${sinceHour}
    order by h.url_id, h.hour, h.kind, h.device, h.referrer limit ${limit}`;
}
