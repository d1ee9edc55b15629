// What /metrics says of a process beside its requests: the store, the signed log, its disk, the lines of its own log.

import { readLastVerify } from "../audit/last-verify.ts";
import { publishLog } from "../audit/metrics.ts";
import type { Config } from "../config/settings.ts";
import type { RedirectPlane } from "../http/service.ts";
import type { Metrics } from "../metrics/registry.ts";
import type { NamedCounter } from "../model/counters.ts";
import { readLogTotals } from "../operations/totals.ts";
import type { Clock } from "../runtime/clock.ts";
import { diskSpace } from "../runtime/disk.ts";
import type { Logger } from "../runtime/logger.ts";
import { publishStore } from "../store/metrics.ts";
import type { Store } from "../store/store.ts";
import type { RunningAuditLog } from "./audit.ts";
import type { DatabaseProbe } from "./database-probe.ts";

export interface Watched {
  readonly config: Config;
  readonly store: Store;
  readonly database: DatabaseProbe;
  readonly auditLog: RunningAuditLog;
  readonly redirects: RedirectPlane;
  readonly log: Logger;
  readonly clock: Clock;
  readonly readCounters: () => Promise<readonly NamedCounter[]>;
}

export function publishProcess(metrics: Metrics, watched: Watched): void {
  const { config, store, database, auditLog, log, clock, readCounters } = watched;
  publishStore(metrics, store, {
    isUp: () => !database.isSilent,
    readReplication: () => database.readReplication(),
    readSchema: () => database.readMigrations(),
  });
  publishOutages(metrics, watched);
  const startedMs = clock.monotonic();
  publishLog(metrics, {
    isRefused: () => auditLog.isRefused(),
    silentMs: () => clock.monotonic() - Math.max(startedMs, auditLog.feed.heardMs),
    ownWrites: () => auditLog.ownWrites.waiting,
    nowMs: clock.now,
    readHead: () => readLogTotals(database).catch(() => undefined),
    readCounters,
    readLastVerify: () => readLastVerify(config.dataDir),
  });
  for (const [kind, help] of [
    ["free", "Room left on the disk of the data directory, for this process."],
    ["size", "Size of the disk of the data directory."],
  ] as const)
    metrics.gauge(
      `deadletter_disk_${kind}_bytes`,
      help,
      { aggregator: "max" },
      () => diskSpace(config.dataDir)?.[`${kind}Bytes`],
    );
  metrics.counted(
    "deadletter_log_lines_dropped_total",
    "Log lines dropped because their reader was too slow.",
    undefined,
    () => log.dropped,
  );
}

function publishOutages(metrics: Metrics, { database, redirects }: Watched): void {
  metrics.gauge(
    "deadletter_outage_mode",
    "Whether the database does not answer and known links redirect from memory meanwhile (0 or 1).",
    { aggregator: "max" },
    () => Number(database.isSilent && redirects.canServeAlone()),
  );
  metrics.counted(
    "deadletter_outage_seconds_total",
    "How long the database has not answered this process altogether.",
    undefined,
    () => database.silentMs / 1000,
  );
}
