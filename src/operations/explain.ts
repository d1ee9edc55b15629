// Why a code redirects, or does not: what the store says of its link, who made it so, and which codes look like it.

import { type Static, Type } from "@sinclair/typebox";
import { LIMITS } from "../limits.ts";
import type { Viewer } from "../model/caller.ts";
import { isCode, isReservedCode, nearCodes } from "../model/code.ts";
import { Event } from "../model/event.ts";
import type { LinkRow } from "../model/link.ts";
import { LINK } from "../model/link-subject.ts";
import { nullable, Timestamp, wordOf } from "../model/schema.ts";
import { formatTime } from "../model/time.ts";
import { findNewestOf, listHistory } from "../store/queries/events.ts";
import { listCodes, lookUpLink } from "../store/queries/links.ts";
import type { Sql } from "../store/store.ts";
import type { Core } from "./context.ts";
import { showEvents } from "./events.ts";

const VERDICTS = ["redirects", "inactive", "expired", "not_started", "missing", "reserved", "not_a_code"] as const;

export const Explanation = Type.Object(
  {
    code: Type.String(),
    redirects: Type.Boolean(),
    verdict: wordOf(VERDICTS),
    why: Type.String({ description: "the same in words" }),
    at: Timestamp,
    target: nullable(Type.String()),
    starts_at: nullable(Timestamp),
    expires_at: nullable(Timestamp),
    /** Who made the link what it is now, which for an inactive one is who deleted it. */
    last_change: nullable(Event),
    cached: nullable(
      Type.Object(
        {
          verdict: wordOf(["redirects", "inactive", "missing"]),
          version: nullable(Type.Integer()),
          since: nullable(Timestamp),
        },
        { description: "what this replica redirects by; null: it would ask the store" },
      ),
    ),
    near: Type.Array(Type.String(), { description: "codes that links have and that look like this one" }),
  },
  { $id: "Explanation" },
);
export type Explanation = Static<typeof Explanation>;

/** `cached` is what the asking process redirects by. */
export function explainCode(
  { store, clock }: Core,
  viewer: Viewer,
  code: string,
  cached: Explanation["cached"],
): Promise<Explanation> {
  return store.scan(async (sql) => {
    const nowMs = clock.now();
    const [row] = await lookUpLink(sql, code);
    const verdict = row ? verdictOf(row, nowMs) : missingVerdict(code);
    const [change] = await showEvents(sql, row ? await lastChangeOf(sql, row) : [], viewer);
    const wanted = row ? [] : nearCodes(code).slice(0, LIMITS.nearCodes);
    const near = wanted.length === 0 ? [] : await listCodes(sql, wanted, LIMITS.nearShown);
    return {
      code: row?.short_code ?? code,
      redirects: verdict === "redirects",
      verdict,
      why: WHY[verdict](row, change),
      at: formatTime(nowMs),
      target: row?.original_url ?? null,
      starts_at: timeOf(row?.starts_at_ms),
      expires_at: timeOf(row?.expires_at_ms),
      last_change: change ?? null,
      cached,
      near: near.map(({ short_code }) => short_code),
    };
  });
}

/** Of an inactive link its deletion: a tag that is renamed, or a link that is handed over, comes after it. */
function lastChangeOf(sql: Sql, { id, version, is_active }: LinkRow) {
  if (is_active === 0) return findNewestOf(sql, { type: LINK.type, id, throughVersion: version }, "deleted");
  return listHistory(sql, { type: LINK.type, id }, { afterVersion: version - 1, limit: 1, offset: 0 });
}

type Verdict = (typeof VERDICTS)[number];

function verdictOf({ is_active, expires_at_ms, starts_at_ms }: LinkRow, nowMs: number): Verdict {
  if (is_active === 0) return "inactive";
  if (expires_at_ms !== null && expires_at_ms <= nowMs) return "expired";
  return starts_at_ms !== null && starts_at_ms > nowMs ? "not_started" : "redirects";
}

function missingVerdict(code: string): Verdict {
  if (isReservedCode(code)) return "reserved";
  return isCode(code) ? "missing" : "not_a_code";
}

function timeOf(ms: number | null | undefined): string | null {
  return ms == null ? null : formatTime(ms);
}

const WHY: Readonly<Record<Verdict, (row: LinkRow | undefined, change: Event | undefined) => string>> = {
  redirects: (row) =>
    `it redirects, with status ${row?.status ?? 302}${!row || row.forward === "none" ? "" : `, and forwards: ${row.forward}`}`,
  inactive(row, change) {
    const by =
      change === undefined ? "" : ` at ${change.timestamp} by ${change.actor_name ?? "somebody who was erased"}`;
    if (row?.incident_id != null) return `it was taken down${by}, for incident ${row.incident_id}`;
    return `it was deleted${by}${change?.reason ? `: ${change.reason}` : ""}`;
  },
  expired: (row) => `it expired at ${timeOf(row?.expires_at_ms)}`,
  not_started: (row) => `it begins at ${timeOf(row?.starts_at_ms)}`,
  missing: () => "no link has this code; codes are compared with their case",
  reserved: () => "this word is the server's own: no link can have it",
  not_a_code: () => `a code is ${LIMITS.codeMinChars} to ${LIMITS.codeMaxChars} of A-Z a-z 0-9 _ -, and not all digits`,
};
