// What /metrics says of a process beside its requests: the store, the signed log, the lines of its own log.

import { publishLog } from "../audit/metrics.ts";
import type { Metrics } from "../metrics/registry.ts";
import type { NamedCounter } from "../model/counters.ts";
import { readLogTotals } from "../operations/totals.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { publishStore } from "../store/metrics.ts";
import type { Store } from "../store/store.ts";
import type { RunningAuditLog } from "./audit.ts";
import type { DatabaseProbe } from "./database-probe.ts";

export interface Watched {
  readonly store: Store;
  readonly database: DatabaseProbe;
  readonly auditLog: RunningAuditLog;
  readonly log: Logger;
  readonly clock: Clock;
  readonly readCounters: () => Promise<readonly NamedCounter[]>;
}

export function publishProcess(
  metrics: Metrics,
  { store, database, auditLog, log, clock, readCounters }: Watched,
): void {
  publishStore(metrics, store, () => !database.isSilent);
  const startedMs = clock.monotonic();
  publishLog(metrics, {
    isRefused: () => auditLog.refusal() !== undefined,
    silentMs: () => clock.monotonic() - Math.max(startedMs, auditLog.feed.heardMs),
    readHead: () => readLogTotals(database).catch(() => undefined),
    readCounters,
  });
  metrics.counted(
    "deadletter_log_lines_dropped_total",
    "Log lines dropped because their reader was too slow.",
    undefined,
    () => log.dropped,
  );
}
