// Says how often a link was followed: by day, hour, referring host or device. Times are UTC.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { Timestamp, wordOf } from "../model/schema.ts";
import { formatTime, HOUR_MS, parseTime } from "../model/time.ts";
import { findImportedClicks, sumClicksByLabel, sumClicksByTime } from "../store/queries/clicks.ts";
import type { Core } from "./context.ts";
import { findLink } from "./links.ts";

export const CLICK_GROUPS = ["day", "hour", "referrer", "device"] as const;
export type ClickGroup = (typeof CLICK_GROUPS)[number];

export interface ClickQuery {
  readonly from?: string;
  readonly to?: string;
  readonly by?: string;
}

export const ClickReport = Type.Object(
  {
    url_id: Type.Integer(),
    short_code: Type.String(),
    by: wordOf(CLICK_GROUPS),
    from: Timestamp,
    to: Timestamp,
    imported: Type.Integer({ description: "that another product had counted before the link was imported, ever" }),
    rows: Type.Array(
      Type.Object({
        key: Type.String({
          description: "start of the day or hour, referring host (empty where there was none) or device class",
        }),
        clicks: Type.Integer({ description: "by people; the kinds below are counted apart" }),
        bots: Type.Integer(),
        prefetches: Type.Integer(),
        heads: Type.Integer({ description: "HEAD requests" }),
      }),
      { maxItems: LIMITS.clickGroups },
    ),
  },
  { $id: "ClickReport" },
);
export type ClickReport = Static<typeof ClickReport>;

const DEFAULT_HOURS = 30 * 24;

/**
 * Throws not_found, and bad_request for a time or a grouping that is none. Whole hours: those that `from` and `to` lie in are
 * counted whole, at most LIMITS.clickGroups rows are given.
 */
export async function countClicks(core: Core, codeOrId: string, query: ClickQuery): Promise<ClickReport> {
  const by = (query.by ?? "day") as ClickGroup;
  if (!CLICK_GROUPS.includes(by)) throw badRequest(`by: must be one of ${CLICK_GROUPS.join(", ")}`);
  const toHour = Math.ceil((query.to === undefined ? core.clock.now() + 1 : parseTime("to", query.to)) / HOUR_MS);
  const fromHour =
    query.from === undefined
      ? Math.max(0, toHour - DEFAULT_HOURS)
      : Math.floor(parseTime("from", query.from) / HOUR_MS);
  if (fromHour >= toHour) throw badRequest("from: must lie before to");
  if (toHour - fromHour > LIMITS.clickRangeHours) throw badRequest("from: lies more than ten years before to");
  return core.store.scan(async (sql) => {
    const link = await findLink(sql, codeOrId);
    const range = { urlId: link.id, fromHour, toHour, limit: LIMITS.clickGroups };
    const rows =
      by === "referrer" || by === "device"
        ? (await sumClicksByLabel(sql, range, by)).map(({ label, ...counts }) => ({ key: label, ...counts }))
        : (await sumClicksByTime(sql, range, by === "day" ? 24 : 1)).map(({ hour, ...counts }) => ({
            key: formatTime(hour * HOUR_MS),
            ...counts,
          }));
    return {
      url_id: link.id,
      short_code: link.short_code,
      by,
      from: formatTime(fromHour * HOUR_MS),
      to: formatTime(toHour * HOUR_MS),
      imported: (await findImportedClicks(sql, link.id))[0]?.clicks ?? 0,
      rows,
    };
  });
}
