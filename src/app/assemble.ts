// Puts the parts of one process together, and takes them apart again in the right order.

import type { Consuming } from "../audit/consumer.ts";
import type { Follower } from "../audit/follower.ts";
import type { LogKey } from "../audit/log-key.ts";
import type { Presence } from "../audit/presence.ts";
import type { Recorder } from "../clicks/click-recorder.ts";
import type { Clicks } from "../clicks/clicks.ts";
import type { Config } from "../config/settings.ts";
import { type Api, createApi } from "../http/app.ts";
import { KeyMemory } from "../http/key-memory.ts";
import { createHttpMetrics } from "../http/metrics.ts";
import { NOT_LOOKED_AT, REFUSED } from "../http/ops.ts";
import type { WorkerPool } from "../http/report.ts";
import { RedirectLines, type Service } from "../http/service.ts";
import { Metrics } from "../metrics/registry.ts";
import type { Caller } from "../model/caller.ts";
import { INCIDENT } from "../model/incident.ts";
import { ownHostsOf } from "../model/target.ts";
import { Ahead } from "../operations/ahead.ts";
import type { Core } from "../operations/context.ts";
import { HoldBook } from "../operations/holds.ts";
import { type Mutations, publishOperations } from "../operations/metrics.ts";
import { readTotals } from "../operations/totals.ts";
import { WaitingChanges } from "../operations/waiting.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/logger.ts";
import { type Outside, SYSTEM } from "../runtime/outside.ts";
import { VERSION } from "../runtime/version.ts";
import type { Store } from "../store/store.ts";
import { createAlerts } from "./alerts.ts";
import { createAuditLog, type RunningAuditLog } from "./audit.ts";
import { createClicks } from "./clicks.ts";
import { DatabaseProbe } from "./database-probe.ts";
import { createConsumers, createPresence } from "./followers.ts";
import { Forgetting } from "./forgetting.ts";
import { baseUrlOf, type Listeners, listen, listenersOf } from "./listen.ts";
import { ensureDataDir } from "./open-store.ts";
import { type Part, Parts } from "./parts.ts";
import { publishProcess } from "./process-metrics.ts";
import { PublicAddress } from "./public-address.ts";
import { createRedirects, type Redirects } from "./redirects.ts";
import { Reindexing } from "./reindexing.ts";
import { clientsOf, limitsOf, pagesOf } from "./service-settings.ts";

export interface OpenOptions {
  readonly log: Logger;
  /** See Service. */
  readonly via: string;
  readonly operatorSecret?: string;
  /** The system's own where it is not given. */
  readonly outside?: Outside;
  /** Opens the store; the one that the configuration names where it is not given. */
  readonly connect?: (config: Config, clock: Clock) => Promise<Store>;
  /** Whether what the embedded store does in threads is done inline instead, so that a test decides what comes after what. */
  readonly isThreadless?: boolean;
  /** Whether to begin without the database where it is down and this host has a warm set of links. */
  readonly mayServeWarmSet?: boolean;
  /** What else follows the log, durably. */
  readonly consumers?: readonly Consuming[];
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
  readonly service: Service;
  readonly api: Api;
  readonly auditLog: RunningAuditLog;
  readonly redirects: Redirects;
  /**
   * Sequences, follows, watches, and believes its redirect cache from now on: for a process that serves, before it listens, while
   * file descriptors are to be had. /readyz says "starting" until ready().
   */
  start(): Promise<void>;
  ready(): void;
  /**
   * Where the database was down at the start: resolves once schema and log key were found to be right, rejects where they are
   * not, and the process must not go on.
   */
  readonly checkLater?: () => Promise<void>;
  /** Who the process itself is when it writes without a user. */
  readonly self: Caller;
  /** Starts the listeners the configuration names and returns the addresses they got. */
  listen(): Listeners;
  readonly address: PublicAddress;
  /** Counts an uncaught error. */
  countUncaught(): void;
  startDraining(): void;
  close(): Promise<void>;
}

export function assemble(config: Config, store: Store, logKey: LogKey, options: OpenOptions): Deadletter {
  const { log, via, operatorSecret, seat, outside = SYSTEM, isThreadless = false, consumers = [] } = options;
  const { clock, randomBytes } = outside;
  const isLeader = seat?.isLeader ?? true;
  const metrics = new Metrics(VERSION);
  const base = { store, metrics, log, outside };
  const vouching = { key: logKey, isSequencing: isLeader, refusalElsewhere: () => seat?.refusal };
  const auditLog = createAuditLog(config, { ...base, ...vouching });
  const { feed } = auditLog;
  const following = { ...base, feed };
  const presence = createPresence(config, following);
  const heard = { origin: logKey.origin, isLeader, leaseUntilMs: () => presence.leaseUntilMs };
  const redirects = createRedirects(config, { ...following, ...heard });
  const database = new DatabaseProbe(store, clock, log, (why) => auditLog.alarm("lost", why));
  const isHeard = () => clock.monotonic() - feed.heardMs <= config.cacheStaleMax;
  const keys = new KeyMemory(config.keyOutage, clock, isHeard);
  const { clicks, recorder } = createClicks(config, { ...base, isThreadless });
  // A scrape must tell of everything else also while the database is down.
  const readCounters = async () => (await readTotals(database).catch(() => undefined)) ?? [];
  const waiting = new WaitingChanges();
  const { mutations } = publishOperations(metrics, waiting.counts, readCounters);
  publishProcess(metrics, { config, store, database, auditLog, redirects, log, clock, readCounters });
  const alerts = createAlerts(config, { ...base, origin: logKey.origin, database, auditLog, isLeader });
  const uncaught = metrics.counter("deadletter_uncaught_errors_total", UNCAUGHT, {});
  const state = {
    ownHosts: ownHostsOf(baseUrlOf(config), listenersOf(config), config.ownHosts),
    isDraining: false,
    isStarting: false,
  };
  const holds = new HoldBook({ store, clock, heardMs: () => feed.heardMs, staleMaxMs: config.cacheStaleMax });
  const address = new PublicAddress(config, { store, log, clock });
  const core: Core = {
    ...{ store, logKey, clock, randomBytes, waiting, holds },
    ...{ staleMaxMs: config.cacheStaleMax, ahead: new Ahead(), inline: auditLog.inline },
    ownHosts: () => address.addTo(state.ownHosts),
    writeRefusal: () => (config.refusedWrites === "deny" ? refusalText(auditLog.isRefused()) : undefined),
    onCommit: tellOwn(redirects, auditLog, keys, mutations),
  };
  for (const follower of [followKeys(keys), followHolds(holds)]) feed.follow(follower);
  feed.onFirstLook(() => holds.expire());
  const service: Service = {
    core,
    metrics: createHttpMetrics(metrics),
    log,
    redirectLines: new RedirectLines(config.logRedirects.oneOf),
    clicks,
    auditLog,
    redirects,
    database,
    presence,
    keys,
    limits: limitsOf(config, clock),
    clients: clientsOf(config),
    pages: pagesOf(config),
    publicAddress: () => address.value,
    version: VERSION,
    startedMs: clock.now(),
    ...{ via, operatorSecret },
    workers: seat,
    isDraining: () => state.isDraining,
    isStarting: () => state.isStarting,
  };
  const api = createApi(service);
  const beside = { ...following, isLeader, isThreadless, auditLog, presence, redirects, database, clicks, recorder };
  const followers = createConsumers([...consumers, ...alerts.consumers], following);
  const parts = new Parts(partsOf({ ...beside, alerts: alerts.part(service), consumers: followers, address }));

  return {
    config,
    core,
    service,
    api,
    auditLog,
    redirects,
    start() {
      state.isStarting = true;
      holds.expire();
      ensureDataDir(config.dataDir);
      return parts.start();
    },
    ready() {
      state.isStarting = false;
    },
    self: { userId: null, keyId: null, role: "admin", via, requestId: null },
    listen() {
      const useOwnHosts = (hosts: ReadonlySet<string>) => void Object.assign(state, { ownHosts: hosts });
      const listeners = listen(config, { service, api, isShared: seat !== undefined, useOwnHosts });
      address.listensAt(listeners.baseUrl);
      return listeners;
    },
    address,
    countUncaught: () => uncaught.inc(),
    startDraining() {
      state.isDraining = true;
      parts.drain();
    },
    close: () => parts.close(),
  };
}

/** A log that nobody has looked at is not vouched for either. */
function refusalText(isRefused: boolean | undefined): string | undefined {
  if (isRefused === false) return undefined;
  return isRefused ? REFUSED : NOT_LOOKED_AT;
}

interface Beside {
  readonly store: Store;
  readonly log: Logger;
  readonly outside: Outside;
  readonly isLeader: boolean;
  readonly isThreadless: boolean;
  readonly auditLog: RunningAuditLog;
  readonly presence: Presence;
  readonly redirects: Redirects;
  readonly database: DatabaseProbe;
  readonly clicks: Clicks;
  readonly recorder: Recorder;
  readonly consumers: readonly Part[];
  readonly alerts: Part;
  readonly address: PublicAddress;
}

/** Each after those that it uses. */
function partsOf(beside: Beside): readonly Part[] {
  const { store, log, outside, isLeader, isThreadless } = beside;
  const { auditLog, presence, redirects, database, clicks, recorder, consumers, alerts, address } = beside;
  const reindexing = new Reindexing(store, log, outside.clock);
  const forgetting = new Forgetting(store, log, outside.clock);
  return [
    { name: "log lines", close: () => log.flush() },
    { name: "store", start: () => (isThreadless ? undefined : store.startBackground()), close: () => store.close() },
    { name: "click recorder", start: () => recorder.start() },
    { name: "database probe", start: () => database.start(), close: () => database.close() },
    redirects.warmSet,
    auditLog.sequencing,
    auditLog.following,
    { name: "presence", start: () => presence.start(), close: () => presence.close() },
    redirects.hotLinks,
    auditLog.watching,
    alerts,
    ...consumers,
    { name: "clicks", start: () => clicks.start(), close: () => clicks.close() },
    { name: "public address", close: () => address.close() },
    {
      name: "idempotency keys",
      ...(isLeader ? { start: () => forgetting.start() } : {}),
      close: () => forgetting.close(),
    },
    { name: "side tables", ...(isLeader ? { start: () => reindexing.start() } : {}), close: () => reindexing.close() },
  ];
}

/** This process hears of its own changes at once, before their caller is answered. */
function tellOwn(
  redirects: Redirects,
  auditLog: RunningAuditLog,
  keys: KeyMemory,
  mutations: Mutations,
): Core["onCommit"] {
  return (changes, isBulk) => {
    redirects.committed(changes, isBulk);
    auditLog.committed(changes);
    for (const { type, id, op } of changes) {
      keys.heardOf(type, id, op);
      mutations.inc({ subject: type, op });
    }
  };
}

function followKeys(keys: KeyMemory): Follower {
  return {
    onEntries(entries) {
      for (const { subject_type, subject_id, op } of entries) keys.heardOf(subject_type, subject_id, op);
    },
    forget: () => keys.forgetAll(),
  };
}

/** What is held is asked for again before the next change. */
function followHolds(holds: HoldBook): Follower {
  return {
    onEntries(entries) {
      if (entries.some(({ subject_type }) => subject_type === INCIDENT.type)) holds.expire();
    },
    forget: () => holds.expire(),
  };
}

const UNCAUGHT = "Errors that no request or command caught; each is in the log.";
