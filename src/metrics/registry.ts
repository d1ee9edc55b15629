// What /metrics says: prom-client's registry, with labels from closed sets only. Nothing here reads a table.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { countEvents } from "../model/counters.ts";
import { EVENT_TYPES } from "../model/event.ts";
import { SUBJECTS } from "../model/subjects.ts";

export const REDIRECT_OUTCOMES = ["found", "missing", "inactive", "expired", "error"] as const;
export type RedirectOutcome = (typeof REDIRECT_OUTCOMES)[number];
export const CLICK_DROPS = ["spool_full", "spool_lost", "store_error"] as const;

export interface Metrics {
  readonly registry: Registry;
  readonly httpRequests: Counter<"method" | "route" | "status">;
  readonly httpSeconds: Histogram<"route">;
  /** Committed changes, each of which wrote one event: by subject and what happened to it. */
  readonly mutations: Counter<"subject" | "op">;
  /** Counted on the hot path as plain numbers, published when scraped: `inc({labels})` costs a hundred times as much. */
  readonly redirects: Record<RedirectOutcome, number>;
  /** accepted + found = recorded + spooled + waiting + every drop; `found` is what an earlier process left in the spool. */
  readonly clicks: { accepted: number; found: number; recorded: number; spooled: number } & Record<
    (typeof CLICK_DROPS)[number],
    number
  >;
  readonly cache: { hit: number; miss: number; recheck: number; outage: number; rekey: number };
  readonly uncaughtErrors: Counter;
  readonly guardActs: Counter<"act">;
  readonly rateLimited: Counter<"limit">;
  /** What the audit log found false or stuck; anything but 0 wants somebody's eyes. */
  readonly logAlarms: Counter<"kind">;
}

/** Numbers that other parts keep and a scrape reads. */
export interface Gauges {
  readonly pool: () => { readonly active: number; readonly waiting: number; readonly size: number };
  readonly droppedLogLines: () => number;
  readonly cache: () => { readonly links: number; readonly missing: number; readonly bytes: number };
  /** The store's own counters by name; empty while it does not answer. */
  readonly counters: () => Promise<readonly { readonly name: string; readonly value: number }[]>;
  readonly isDatabaseUp: () => boolean;
  readonly isLogRefused: () => boolean;
  /** Undefined on PostgreSQL. */
  readonly wal: () => { readonly bytes: number; readonly isHeld: boolean } | undefined;
  /** Milliseconds since the log was last heard. */
  readonly silentMs: () => number;
  /** The signed log's head; undefined while the store does not answer. */
  readonly logHead: () => Promise<
    readonly { readonly size: number; readonly at_ms: number; readonly quarantined: number }[] | undefined
  >;
}

export function newClickCounts(): Metrics["clicks"] {
  return { accepted: 0, found: 0, recorded: 0, spooled: 0, spool_full: 0, spool_lost: 0, store_error: 0 };
}

const WRONG_UNDER_BUN = [
  ...["handles", "requests", "resources"].flatMap((kind) => [`nodejs_active_${kind}`, `nodejs_active_${kind}_total`]),
  "process_heap_bytes",
  "nodejs_version_info",
];

export function createMetrics(version: string, gauges: Gauges): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // In ms; at the default of 10 an idle process wakes up a hundred times a second for it.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  // Under Bun these are always 0, of another program (its Node.js version), or no size of any heap (6 GB of 60 MB).
  for (const name of WRONG_UNDER_BUN) registry.removeSingleMetric(name);
  new Gauge({
    name: "deadletter_build_info",
    help: "Always 1; the version is in the label.",
    labelNames: ["version"],
    aggregator: "first",
    registers,
  }).set({ version }, 1);

  const redirects: Metrics["redirects"] = { found: 0, missing: 0, inactive: 0, expired: 0, error: 0 };
  const clicks = newClickCounts();
  const cache: Metrics["cache"] = { hit: 0, miss: 0, recheck: 0, outage: 0, rekey: 0 };
  publish(
    registry,
    "deadletter_redirect_lookups_total",
    "How redirects were looked up: in the cache, in the store (miss, recheck), or in the cache because the store was down.",
    "result",
    () => ({ hit: cache.hit, miss: cache.miss, recheck: cache.recheck, outage: cache.outage }),
  );
  publish(
    registry,
    "deadletter_cache_rekeys_total",
    "Parts of the redirect cache that were laid out anew because codes collided; more than a few are an attack.",
    undefined,
    () => ({ "": cache.rekey }),
  );
  publish(registry, "deadletter_redirects_total", "Redirect requests by outcome.", "outcome", () => redirects);
  publish(
    registry,
    "deadletter_clicks_total",
    "Clicks accepted from redirects, found in the spool at the start, and recorded in the store.",
    "stage",
    () => ({
      accepted: clicks.accepted,
      found: clicks.found,
      recorded: clicks.recorded,
    }),
  );
  new Gauge({
    name: "deadletter_clicks_spooled",
    help: "Clicks that wait on disk for the store.",
    registers,
    collect() {
      this.set(clicks.spooled);
    },
  });
  publish(registry, "deadletter_clicks_dropped_total", "Clicks that will never be recorded.", "reason", () =>
    Object.fromEntries(CLICK_DROPS.map((reason) => [reason, clicks[reason]])),
  );
  publish(
    registry,
    "deadletter_log_lines_dropped_total",
    "Log lines dropped because their reader was too slow.",
    undefined,
    () => ({
      "": gauges.droppedLogLines(),
    }),
  );
  new Gauge({
    name: "deadletter_database_calls",
    help: "Database calls now: active hold a connection, waiting wait for one, size is how many there are.",
    labelNames: ["state"],
    registers,
    collect() {
      for (const [state, value] of Object.entries(gauges.pool())) this.set({ state }, value);
    },
  });

  new Gauge({
    name: "deadletter_cache_entries",
    help: "What the redirect cache holds: links, and codes that belong to none.",
    labelNames: ["kind"],
    registers,
    collect() {
      const { links, missing } = gauges.cache();
      this.set({ kind: "link" }, links);
      this.set({ kind: "missing" }, missing);
    },
  });
  new Gauge({
    name: "deadletter_cache_bytes",
    help: "Estimated size of the cached links.",
    registers,
    collect() {
      this.set(gauges.cache().bytes);
    },
  });

  nowGauge(registry, "deadletter_database_up", "Whether the database answers this process (0 or 1).", "min", () =>
    Number(gauges.isDatabaseUp()),
  );
  nowGauge(
    registry,
    "deadletter_log_refused",
    "Whether the stored log is one this process would not vouch for (0 or 1): see log status.",
    "max",
    () => Number(gauges.isLogRefused()),
  );
  nowGauge(
    registry,
    "deadletter_log_silence_seconds",
    "How long ago this process last knew of every committed change; redirects come from memory alone while it is long.",
    "max",
    () => gauges.silentMs() / 1000,
  );

  nowGauge(
    registry,
    "deadletter_sqlite_wal_bytes",
    "How much of the embedded store's write-ahead log is in use.",
    "max",
    () => gauges.wal()?.bytes,
  );
  nowGauge(
    registry,
    "deadletter_sqlite_wal_held",
    "Whether a reader of an older state keeps it from being emptied (0 or 1): it grows until that reader has done.",
    "max",
    () => gauges.wal() && Number(gauges.wal()?.isHeld),
  );

  const readCounters = once(gauges.counters);
  const readHead = once(gauges.logHead);
  new Counter({
    name: "deadletter_events_total",
    help: "Audit events in the store, whichever process wrote them.",
    labelNames: ["subject", "event_type"],
    // Of the store, not of the process.
    aggregator: "max",
    registers,
    async collect() {
      this.reset();
      const counters = await readCounters();
      // Not while the store is away: a series that fell to 0 would read as one that began anew.
      if (counters.length > 0)
        for (const { type: subject } of SUBJECTS)
          for (const event_type of EVENT_TYPES) this.inc({ subject, event_type }, 0);
      for (const { name, value } of counters) {
        const [kind, subject, event_type] = name.split(":");
        if (kind === "events" && subject !== undefined && event_type !== undefined)
          this.inc({ subject, event_type }, value);
      }
    },
  });
  new Gauge({
    name: "deadletter_links",
    help: "Links in the store by state.",
    labelNames: ["state"],
    aggregator: "first",
    registers,
    async collect() {
      this.reset();
      for (const { name, value } of await readCounters()) {
        const [kind, state] = name.split(":");
        if (kind === "links" && state !== undefined) this.set({ state }, value);
      }
    },
  });

  logGauge("deadletter_log_size", "Entries of the signed log.", ({ size }) => size);
  logGauge(
    "deadletter_log_quarantined_events",
    "Events that are false and are kept out of the log.",
    ({ quarantined }) => quarantined,
  );
  logGauge("deadletter_log_backlog_events", "Committed events that are not in the log yet.", (head, events) =>
    Math.max(0, events - head.size - head.quarantined),
  );
  logGauge(
    "deadletter_log_checkpoint_timestamp_seconds",
    "When the newest checkpoint was signed.",
    ({ at_ms }) => at_ms / 1000,
  );
  function logGauge(
    name: string,
    help: string,
    read: (head: { size: number; at_ms: number; quarantined: number }, events: number) => number,
  ): void {
    new Gauge({
      name,
      help,
      aggregator: "max",
      registers,
      async collect() {
        const [head] = (await readHead()) ?? [];
        const counters = await readCounters();
        if (!head || counters.length === 0) return this.remove();
        this.set(read(head, countEvents(counters)));
      },
    });
  }

  const mutations = new Counter({
    name: "deadletter_mutations_total",
    help: "Changes committed by this process; each wrote one audit event in the same transaction.",
    labelNames: ["subject", "op"] as const,
    registers,
  });
  for (const { type: subject } of SUBJECTS) for (const op of EVENT_TYPES) mutations.inc({ subject, op }, 0);

  return {
    registry,
    redirects,
    clicks,
    cache,
    mutations,
    httpRequests: new Counter({
      name: "deadletter_http_requests_total",
      help: "API requests by method, route template and status.",
      labelNames: ["method", "route", "status"] as const,
      registers,
    }),
    httpSeconds: new Histogram({
      name: "deadletter_http_request_duration_seconds",
      help: "Time to answer an API request, by route template.",
      labelNames: ["route"] as const,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    logAlarms: new Counter({
      name: "deadletter_log_alarms_total",
      help: "What this process found false or stuck in the audit log, by kind; each is in its log with what it concerns.",
      labelNames: ["kind"] as const,
      registers,
    }),
    rateLimited: new Counter({
      name: "deadletter_rate_limited_total",
      help: "Requests answered with 429, by limit.",
      labelNames: ["limit"] as const,
      registers,
    }),
    guardActs: new Counter({
      name: "deadletter_connection_guard_total",
      help: "Times file descriptors ran out: idle connections were closed, or nothing more was accepted for a while.",
      labelNames: ["act"] as const,
      registers,
    }),
    uncaughtErrors: new Counter({
      name: "deadletter_uncaught_errors_total",
      help: "Errors that no request or command caught; each is in the log.",
      registers,
    }),
  };
}

/** A number of this moment; `aggregator` says how those of several workers go together. */
function nowGauge(
  registry: Registry,
  name: string,
  help: string,
  aggregator: "min" | "max",
  read: () => number | undefined,
): void {
  new Gauge({
    name,
    help,
    aggregator,
    registers: [registry],
    collect() {
      const value = read();
      if (value === undefined) this.remove();
      else this.set(value);
    },
  });
}

/** The metrics of one scrape share one read. */
function once<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined;
  return () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
}

function publish(
  registry: Registry,
  name: string,
  help: string,
  label: string | undefined,
  read: () => Record<string, number>,
): void {
  new Counter({
    name,
    help,
    labelNames: label === undefined ? [] : [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [key, value] of Object.entries(read())) {
        if (label === undefined) this.inc(value);
        else this.inc({ [label]: key }, value);
      }
    },
  });
}
