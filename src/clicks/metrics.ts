// What is counted of clicks, and how /metrics says it.
// accepted + found = recorded + spooled + waiting + every drop; `found` is what an earlier process left in the spool.

import { LIMITS } from "../limits.ts";
import type { Metrics } from "../metrics/registry.ts";

export const CLICK_DROPS = ["spool_full", "spool_lost", "store_error"] as const;
export type ClickDrop = (typeof CLICK_DROPS)[number];

export type ClickCounts = { accepted: number; found: number; recorded: number; spooled: number } & Record<
  ClickDrop,
  number
>;

export function newClickCounts(): ClickCounts {
  return { accepted: 0, found: 0, recorded: 0, spooled: 0, spool_full: 0, spool_lost: 0, store_error: 0 };
}

/** `spooledBytes`: what waits in files and, where they cannot be written, in memory. */
export function publishClicks(metrics: Metrics, counts: ClickCounts, spooledBytes: () => number): void {
  metrics.counted(
    "deadletter_clicks_total",
    "Clicks accepted from redirects, found in the spool at the start, and recorded in the store.",
    "stage",
    () => ({ accepted: counts.accepted, found: counts.found, recorded: counts.recorded }),
  );
  metrics.gauge("deadletter_clicks_spooled", "Clicks that wait on disk for the store.", {}, () => counts.spooled);
  metrics.gauge("deadletter_clicks_spool_bytes", "How much of the disk they take.", {}, spooledBytes);
  metrics.gauge(
    "deadletter_clicks_spool_limit_bytes",
    "Past this, clicks are dropped until the store takes them again.",
    {},
    () => LIMITS.clickSpoolBytes,
  );
  metrics.counted("deadletter_clicks_dropped_total", "Clicks that will never be recorded.", "reason", () =>
    Object.fromEntries(CLICK_DROPS.map((reason) => [reason, counts[reason]])),
  );
}
