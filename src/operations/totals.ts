// The totals that a scrape tells: read from counters and a head, never counted, and soon or not at all.

import type { NamedCounter } from "../model/counters.ts";
import { readCounters } from "../store/queries/events.ts";
import { type LogHead, readHeadAndQuarantine } from "../store/queries/log.ts";
import type { Sql } from "../store/store.ts";

/** Who reads the store for a scrape: undefined where it does not answer in time. */
export interface SoonReader {
  readSoon<T>(run: (sql: Sql) => PromiseLike<T>): Promise<T | undefined>;
}

export function readTotals(reader: SoonReader): Promise<readonly NamedCounter[] | undefined> {
  return reader.readSoon(readCounters);
}

export type LogTotals = LogHead & { readonly quarantined: number };

/** One row; none where the head is gone. */
export function readLogTotals(reader: SoonReader): Promise<readonly LogTotals[] | undefined> {
  return reader.readSoon(readHeadAndQuarantine);
}
