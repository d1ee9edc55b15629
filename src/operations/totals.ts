// The totals that a scrape tells: read from counters and a head, never counted, and soon or not at all.

import type { LogTotals } from "../audit/metrics.ts";
import type { NamedCounter } from "../model/counters.ts";
import { readCounters } from "../store/queries/events.ts";
import { readEpoch, readHeadAndQuarantine, readOldestPending } from "../store/queries/log.ts";
import type { Sql } from "../store/store.ts";

/** Who reads the store for a scrape: undefined where it does not answer in time. */
export interface SoonReader {
  readSoon<T>(run: (sql: Sql) => PromiseLike<T>): Promise<T | undefined>;
}

export function readTotals(reader: SoonReader): Promise<readonly NamedCounter[] | undefined> {
  return reader.readSoon(readCounters);
}

/** Undefined where the store does not answer in time, or the head is gone. */
export async function readLogTotals(reader: SoonReader): Promise<LogTotals | undefined> {
  const found = await reader.readSoon((sql) =>
    Promise.all([readHeadAndQuarantine(sql), readOldestPending(sql), readEpoch(sql)]),
  );
  const [[head], [pending], [epoch]] = found ?? [[], [], []];
  return head && { ...head, oldest_at_ms: pending?.oldest_at_ms ?? null, epoch: epoch?.epoch ?? 0 };
}
