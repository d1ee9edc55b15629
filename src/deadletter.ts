// The composition root: from a configuration to running parts, and back. Used by serve, by every command and by the tests.

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type LogKey, parseLogKey } from "./audit/log-key.ts";
import { createAuditLog, type RunningAuditLog } from "./audit-log.ts";
import { formatListen, urlHost } from "./config/parse.ts";
import type { Address, Config } from "./config/settings.ts";
import { DatabaseProbe } from "./database-probe.ts";
import { type Api, createApi, createPublic, createWatch } from "./http/app.ts";
import { networkOf, trustProxies } from "./http/client.ts";
import { ConnectionGuard, GUARD_ACTS } from "./http/connection-guard.ts";
import { KeyMemory } from "./http/key-memory.ts";
import { REFUSED } from "./http/ops.ts";
import { createRateLimits, LIMIT_NAMES } from "./http/rate-limit.ts";
import { type Listener, listen } from "./http/server.ts";
import type { Service, WorkerPool } from "./http/service.ts";
import { LIMITS } from "./limits.ts";
import { describeError, type Logger } from "./log.ts";
import { loadLogKey } from "./log-key-file.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { ownHostsOf } from "./model/url.ts";
import {
  assertReachable,
  bringSchemaUp,
  connectStore,
  ensureDataDir,
  isUnavailable,
  waitUntilReachable,
} from "./open-store.ts";
import type { Caller, Core } from "./operations/core.ts";
import { ClickRecorder } from "./redirect/click-recorder.ts";
import { Clicks } from "./redirect/clicks.ts";
import { ThreadedRecorder } from "./redirect/threaded-recorder.ts";
import { createRedirects, type Redirects, readUsableWarmSet } from "./redirects.ts";
import { readCounters } from "./store/queries/events.ts";
import { readHeadAndQuarantine } from "./store/queries/log.ts";
import type { Store } from "./store/store.ts";
import { VERSION } from "./version.ts";

export interface OpenOptions {
  readonly log: Logger;
  /** See Service. */
  readonly via: string;
  readonly operatorSecret?: string;
  readonly clock?: () => number;
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

export interface Listeners {
  /** Where redirects are reached, as printed to people. */
  readonly baseUrl: string;
  readonly apiUrl: string;
  /** Where they got to listen, and host:port of those that are the API's own and the metrics' own. */
  readonly port: number;
  readonly adminListen: string | undefined;
  readonly metricsListen: string | undefined;
  /** Stops accepting, lets open requests finish for `drainMs`, then cuts them. */
  stop(drainMs: number): Promise<void>;
}

/** Throws with a hint when the store cannot be reached, is not migrated, or belongs to another log key. */
export async function open(config: Config, options: OpenOptions): Promise<Deadletter> {
  const store = await connectStore(config);
  const check = async () => {
    await assertReachable(store);
    await bringSchemaUp(store, config, options.clock ?? Date.now);
    return loadLogKey(config, store);
  };
  try {
    if (!(options.mayServeWarmSet && keyForWarmSet(config))) await waitUntilReachable(store, config, options.log);
    const deadletter = assemble(config, store, await check(), options);
    await deadletter.auditLog.checkHead();
    return deadletter;
  } catch (error) {
    const key = options.mayServeWarmSet && isUnavailable(error) ? keyForWarmSet(config) : undefined;
    if (key === undefined) {
      await store.close();
      throw error;
    }
    options.log.warn("the database is down: serving the warm set of links until it is back", describeError(error));
    const deadletter = assemble(config, store, key, options);
    const checkAll = async () => {
      await check();
      await deadletter.auditLog.checkHead();
    };
    return { ...deadletter, checkLater: () => retryWhileUnavailable(checkAll) };
  }
}

/** The log key, where this process could serve links of its host's warm set without having asked the database. */
function keyForWarmSet(config: Config): LogKey | undefined {
  if (config.logKey === undefined) return undefined;
  const key = parseLogKey(config.logKey);
  return readUsableWarmSet(config, key.origin) && key;
}

async function retryWhileUnavailable(check: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      await Bun.sleep(LIMITS.sequencerRetryMs);
    }
  }
}

/** Who works at this host's terminal, as events name them: the user id, which nobody can claim by setting a variable. */
export function localOperator(door: "cli" | "import"): string {
  return `${door}:uid-${process.getuid?.() ?? "unknown"}`;
}

/** Where redirects are answered, as far as that is known before listening. */
export function listenersOf({
  host,
  port,
  adminListen,
}: Pick<Config, "host" | "port" | "adminListen">): readonly Address[] {
  return [{ host, port }, ...(adminListen ? [adminListen] : [])];
}

/** Where the public reaches redirects, as far as it is known before listening. */
export function baseUrlOf(config: Config): string {
  return config.baseUrl ?? `http://${urlHost(config.host)}:${config.port}`;
}

function assemble(config: Config, store: Store, logKey: LogKey, options: OpenOptions): Deadletter {
  const { log, via, operatorSecret, seat } = options;
  const metrics = createMetrics(VERSION, {
    pool: () => store.load(),
    droppedLogLines: () => log.dropped,
    cache: () => redirects.cache.size,
    // A scrape must tell of everything else also while the database is down.
    counters: async () => (await database.readSoon(readCounters).catch(() => undefined)) ?? [],
    logHead: () => database.readSoon(readHeadAndQuarantine).catch(() => undefined),
    isDatabaseUp: () => !database.isSilent,
    wal: () => store.wal(),
    isLogRefused: () => auditLog.refusal() !== undefined,
    silentMs: () => performance.now() - auditLog.feed.heardMs,
  });
  const database = new DatabaseProbe(store, (why) => auditLog.alarm("lost", why));
  const keys = new KeyMemory(config.keyOutage);
  const limits = createRateLimits({
    "bad-keys": config.limitBadKeys,
    proofs: config.limitProofs,
    changes: config.limitChanges,
    redirects: config.limitRedirects,
  });
  for (const limit of LIMIT_NAMES) metrics.rateLimited.inc({ limit }, 0);
  for (const act of GUARD_ACTS) metrics.guardActs.inc({ act }, 0);
  const clock = options.clock ?? Date.now;
  const auditLog = createAuditLog(config, {
    store,
    key: logKey,
    metrics,
    log,
    clock,
    refusalElsewhere: () => seat?.refusal,
  });
  const redirects = createRedirects(config, { store, feed: auditLog.feed, metrics, log, origin: logKey.origin });
  const { databaseDeadlineMs: deadlineMs, clickReferrers: referrers } = config;
  const recorder =
    store.engine === "sqlite"
      ? new ThreadedRecorder({ path: store.place, deadlineMs, referrers })
      : new ClickRecorder(store, referrers);
  const clicks = new Clicks({
    store,
    recorder,
    counts: metrics.clicks,
    folder: join(config.dataDir, "clicks"),
    retentionDays: config.clickRetentionDays,
    clock,
    onError: (error) => log.warn("clicks wait for the store", describeError(error)),
  });
  let ownHosts = ownHostsOf(baseUrlOf(config), listenersOf(config), config.ownHosts);
  let isDraining = false;
  let isStarting = false;
  let guard: ConnectionGuard | undefined;
  const core: Core = {
    store,
    logKey,
    clock,
    randomBytes,
    ownHosts: () => ownHosts,
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
    startedMs: Date.now(),
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
      isStarting = false;
    },
    self: { userId: null, keyId: null, role: "admin", via, requestId: null },
    listen() {
      const { host, port, adminListen, metricsListen } = config;
      const isShared = seat !== undefined;
      const main = listen(service, adminListen ? createPublic(service) : api, { host, port, isShared });
      const admin = adminListen && listen(service, api, { ...adminListen, isShared });
      const watch =
        metricsListen && listen(service, createWatch(service), { ...metricsListen, isShared, hasRedirects: false });
      const servers = [main, admin, watch].filter((server) => server !== undefined);
      guard = new ConnectionGuard({
        maxConnections: config.maxConnections,
        reserved: config.databaseUrl === undefined ? 0 : config.poolSize,
        // The private ones stay: whoever looks after this process must reach it while strangers fill the public one.
        listeners: [main],
        onAct: (act) => {
          metrics.guardActs.inc({ act });
          log.warn("file descriptors are running out", { act });
        },
      });
      guard.start();
      const boundTo = (wanted: Address | undefined, server: Listener | undefined) =>
        wanted && formatListen({ host: wanted.host, port: server?.port ?? wanted.port });
      const address = (host: string, port: number | undefined) => `http://${urlHost(host)}:${port}`;
      const baseUrl = config.baseUrl ?? address(config.host, main.port);
      // The API's own listener redirects as well.
      const listeners = listenersOf({
        host,
        port: main.port,
        adminListen: adminListen && { host: adminListen.host, port: admin?.port ?? adminListen.port },
      });
      ownHosts = ownHostsOf(baseUrl, listeners, config.ownHosts);
      log.info("listening", {
        host: config.host,
        port: main.port,
        ...(admin && adminListen ? { admin_host: adminListen.host, admin_port: admin.port } : {}),
        ...(watch && metricsListen ? { metrics_host: metricsListen.host, metrics_port: watch.port } : {}),
      });
      return {
        baseUrl,
        apiUrl: admin && adminListen ? address(adminListen.host, admin.port) : address(config.host, main.port),
        port: main.port,
        adminListen: boundTo(adminListen, admin),
        metricsListen: boundTo(metricsListen, watch),
        stop: async (drainMs) => {
          guard?.close();
          const drained = Promise.all(servers.map((server) => server.stop()));
          await Promise.race([drained, Bun.sleep(drainMs)]);
          await Promise.all(servers.map((server) => server.stop(true)));
        },
      };
    },
    startDraining() {
      isDraining = true;
      auditLog.feed.releaseWaiters();
    },
    async close() {
      try {
        database.close();
        redirects.close();
        await clicks.close();
        await auditLog.close();
      } finally {
        await store.close();
        await log.flush();
      }
    },
  };
}
