// Puts the parts of one process together, and takes them apart again in the right order.

import { join } from "node:path";
import { ClickRecorder } from "../clicks/click-recorder.ts";
import { Clicks } from "../clicks/clicks.ts";
import { ThreadedRecorder } from "../clicks/threaded-recorder.ts";
import type { Config } from "../config/settings.ts";
import { type Api, createApi } from "../http/app.ts";
import { networkOf, trustProxies } from "../http/client.ts";
import { GUARD_ACTS } from "../http/connection-guard.ts";
import { KeyMemory } from "../http/key-memory.ts";
import { REFUSED } from "../http/ops.ts";
import { createRateLimits, LIMIT_NAMES } from "../http/rate-limit.ts";
import type { WorkerPool } from "../http/report.ts";
import type { Service } from "../http/service.ts";
import { createMetrics, type Metrics } from "../metrics/registry.ts";
import type { Caller } from "../model/caller.ts";
import { ownHostsOf } from "../model/target.ts";
import { Ahead } from "../operations/ahead.ts";
import type { Core } from "../operations/context.ts";
import { readLogTotals, readTotals } from "../operations/totals.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import { type Outside, SYSTEM } from "../runtime/outside.ts";
import { VERSION } from "../runtime/version.ts";
import type { Store } from "../store/store.ts";
import type { LogKey } from "../tlog/log-key.ts";
import { createAuditLog, type RunningAuditLog } from "./audit.ts";
import { DatabaseProbe } from "./database-probe.ts";
import { baseUrlOf, type Listeners, listen, listenersOf } from "./listen.ts";
import { ensureDataDir } from "./open-store.ts";
import { createRedirects, type Redirects } from "./redirects.ts";
import { Reindexing } from "./reindexing.ts";

export interface OpenOptions {
  readonly log: Logger;
  /** See Service. */
  readonly via: string;
  readonly operatorSecret?: string;
  /** The system's own where it is not given. */
  readonly outside?: Outside;
  /** Whether to begin without the database where it is down and this host has a warm set of links. */
  readonly mayServeWarmSet?: boolean;
  /** This process's place among those that serve together. */
  readonly seat?: WorkerSeat;
}

/** Seat of workers/seat.ts, as far as it matters here. */
export interface WorkerSeat extends WorkerPool {
  readonly isLeader: boolean;
  /** Null where the leader refuses nothing, undefined before it has said anything. */
  readonly refusal: string | null | undefined;
}

export interface Deadletter {
  readonly config: Config;
  readonly core: Core;
  readonly metrics: Metrics;
  readonly service: Service;
  readonly api: Api;
  readonly auditLog: RunningAuditLog;
  readonly redirects: Redirects;
  /** Starts the threads of a process that serves: before it listens, while file descriptors are to be had. */
  prepare(): Promise<void>;
  /** Sequences, follows, watches, and believes its redirect cache from now on: for a process that serves. */
  startLog(): void;
  /**
   * Where the database was down at the start: resolves once schema and log key were found to be right, rejects where they are
   * not, and the process must not go on.
   */
  readonly checkLater?: () => Promise<void>;
  /** Who the process itself is when it writes without a user. */
  readonly self: Caller;
  /** Starts the listeners the configuration names and returns the addresses they got. */
  listen(): Listeners;
  startDraining(): void;
  close(): Promise<void>;
}

export function assemble(config: Config, store: Store, logKey: LogKey, options: OpenOptions): Deadletter {
  const { log, via, operatorSecret, seat, outside = SYSTEM } = options;
  const { clock, randomBytes } = outside;
  const startedMs = clock.monotonic();
  const metrics = createMetrics(VERSION, {
    pool: () => store.load(),
    droppedLogLines: () => log.dropped,
    cache: () => redirects.cache.size,
    // A scrape must tell of everything else also while the database is down.
    counters: async () => (await readTotals(database).catch(() => undefined)) ?? [],
    logHead: () => readLogTotals(database).catch(() => undefined),
    isDatabaseUp: () => !database.isSilent,
    wal: () => store.wal(),
    isLogRefused: () => auditLog.refusal() !== undefined,
    silentMs: () => Math.min(clock.monotonic() - auditLog.feed.heardMs, clock.monotonic() - startedMs),
  });
  const database = new DatabaseProbe(store, clock, (why) => auditLog.alarm("lost", why));
  const isHeard = () => clock.monotonic() - auditLog.feed.heardMs <= config.cacheStaleMax;
  const keys = new KeyMemory(config.keyOutage, clock, isHeard);
  const limits = createRateLimits(
    {
      "bad-keys": config.limitBadKeys,
      proofs: config.limitProofs,
      changes: config.limitChanges,
      redirects: config.limitRedirects,
    },
    clock,
  );
  for (const limit of LIMIT_NAMES) metrics.rateLimited.inc({ limit }, 0);
  for (const act of GUARD_ACTS) metrics.guardActs.inc({ act }, 0);
  const auditLog = createAuditLog(config, {
    store,
    key: logKey,
    metrics,
    log,
    outside,
    refusalElsewhere: () => seat?.refusal,
  });
  const redirects = createRedirects(config, {
    outside,
    store,
    feed: auditLog.feed,
    metrics,
    log,
    origin: logKey.origin,
  });
  const { databaseDeadlineMs: deadlineMs, clickReferrers: referrers } = config;
  const recorder =
    store.engine === "sqlite"
      ? new ThreadedRecorder({ path: store.place, deadlineMs, referrers })
      : new ClickRecorder(store, referrers, clock);
  const clicks = new Clicks({
    store,
    recorder,
    counts: metrics.clicks,
    folder: join(config.dataDir, "clicks"),
    retentionDays: config.clickRetentionDays,
    outside,
    onError: (error) => log.warn("clicks wait for the store", describeError(error)),
  });
  let ownHosts = ownHostsOf(baseUrlOf(config), listenersOf(config), config.ownHosts);
  let isDraining = false;
  let isStarting = false;
  const core: Core = {
    store,
    logKey,
    clock,
    randomBytes,
    ownHosts: () => ownHosts,
    ahead: new Ahead(),
    writeRefusal: () => (config.refusedWrites === "deny" && auditLog.refusal() !== undefined ? REFUSED : undefined),
    onCommit: (changes) => {
      redirects.committed(changes);
      auditLog.committed(changes);
      for (const { type, id, op } of changes) {
        keys.heardOf(type, id, op);
        metrics.mutations.inc({ subject: type, op });
      }
    },
  };
  auditLog.feed.onEntries((entries) => {
    for (const { subject_type, subject_id, op } of entries) keys.heardOf(subject_type, subject_id, op);
  });
  const reindexing = new Reindexing(store, log, clock);
  const service: Service = {
    core,
    metrics,
    log,
    clicks,
    auditLog,
    redirects,
    database,
    keys,
    limits,
    clients: {
      trusted: trustProxies(config.trustedProxies),
      inLog: { none: undefined, full: (client: string) => client, network: networkOf }[config.logClient],
      isAudited: config.auditClient,
    },
    version: VERSION,
    startedMs: clock.now(),
    via,
    operatorSecret,
    workers: seat,
    isDraining: () => isDraining,
    isStarting: () => isStarting,
  };
  const api = createApi(service);

  return {
    config,
    core,
    metrics,
    service,
    api,
    auditLog,
    redirects,
    async prepare() {
      isStarting = true;
      ensureDataDir(config.dataDir);
      await Promise.all([store.startBackground(), recorder.start()]);
    },
    startLog() {
      ensureDataDir(config.dataDir);
      database.start();
      const isLeader = seat?.isLeader ?? true;
      redirects.start(isLeader);
      auditLog.start(isLeader);
      clicks.start();
      if (isLeader) reindexing.start();
      isStarting = false;
    },
    self: { userId: null, keyId: null, role: "admin", via, requestId: null },
    listen: () =>
      listen(config, {
        service,
        api,
        isShared: seat !== undefined,
        useOwnHosts: (hosts) => {
          ownHosts = hosts;
        },
      }),
    startDraining() {
      isDraining = true;
      auditLog.feed.releaseWaiters();
    },
    async close() {
      try {
        database.close();
        redirects.close();
        await reindexing.close();
        await clicks.close();
        await auditLog.close();
      } finally {
        await store.close();
        await log.flush();
      }
    },
  };
}
