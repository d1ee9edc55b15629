// What the dashboard shows, worked out from two scrapes of a server's metrics, as Prometheus would (histogram_quantile, rate). Pure.

import { DEFAULT_THRESHOLDS } from "../../monitoring/thresholds.ts";
import { type Sample, sampleSum } from "../samples.ts";

export interface Scrape {
  readonly atMs: number;
  readonly samples: readonly Sample[];
}

export interface Reading {
  readonly at: string;
  readonly redirects: {
    readonly per_second: number;
    /** Of those since the scrape before; null where there was none. */
    readonly p50_ms: number | null;
    readonly p99_ms: number | null;
    readonly errors_per_second: number;
    /** Since the server started. */
    readonly total: number;
    readonly error_ratio: number;
    /** Of what the objective allows to fail of all since then; below 0 it is overspent. */
    readonly budget_left: number;
  };
  readonly cache: {
    readonly links: number;
    readonly missing: number;
    readonly hit_ratio: number | null;
    readonly bytes: number;
  };
  readonly outage: { readonly is_on: boolean; readonly seconds: number };
  readonly links: { readonly active: number | null; readonly inactive: number | null };
  readonly log: {
    readonly size: number | null;
    readonly backlog: number | null;
    readonly oldest_pending_seconds: number | null;
    readonly quarantined: number | null;
    readonly is_refused: boolean;
  };
  readonly database: {
    readonly is_up: boolean;
    readonly active: number | null;
    readonly waiting: number | null;
    readonly size: number | null;
    readonly commit_p99_ms: number | null;
  };
  readonly clicks: { readonly recorded: number; readonly waiting: number; readonly dropped: number };
  readonly workers: number | null;
}

export function readDashboard(before: Scrape, now: Scrape): Reading {
  const value = (name: string, labels: Readonly<Record<string, string>> = {}) => sampleSum(now.samples, name, labels);
  const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
  /** A counter that went back began anew. */
  const gained = (name: string, labels: Readonly<Record<string, string>> = {}) => {
    const [old = 0, fresh = 0] = [sampleSum(before.samples, name, labels), value(name, labels)];
    return fresh < old ? fresh : fresh - old;
  };
  const total = value("deadletter_redirects_total") ?? 0;
  const errors = value("deadletter_redirects_total", { outcome: "error" }) ?? 0;
  const errorRatio = total === 0 ? 0 : errors / total;
  const allowed = 1 - DEFAULT_THRESHOLDS.redirectAvailability / 100;
  const lookups = gained("deadletter_redirect_lookups_total");
  const latency = "deadletter_redirect_duration_seconds_bucket";
  const milliseconds = (share: number, name = latency) => {
    const found = quantile(share, bucketsOf(name, before, now));
    return found === null ? null : found * 1000;
  };
  return {
    at: new Date(now.atMs).toISOString(),
    redirects: {
      per_second: gained("deadletter_redirects_total") / seconds,
      p50_ms: milliseconds(0.5),
      p99_ms: milliseconds(0.99),
      errors_per_second: gained("deadletter_redirects_total", { outcome: "error" }) / seconds,
      total,
      error_ratio: errorRatio,
      budget_left: 1 - errorRatio / allowed,
    },
    cache: {
      links: value("deadletter_cache_entries", { kind: "link" }) ?? 0,
      missing: value("deadletter_cache_entries", { kind: "missing" }) ?? 0,
      hit_ratio: lookups === 0 ? null : gained("deadletter_redirect_lookups_total", { result: "hit" }) / lookups,
      bytes: value("deadletter_cache_bytes") ?? 0,
    },
    outage: {
      is_on: (value("deadletter_outage_mode") ?? 0) > 0,
      seconds: value("deadletter_outage_seconds_total") ?? 0,
    },
    links: {
      active: value("deadletter_links", { state: "active" }) ?? null,
      inactive: value("deadletter_links", { state: "inactive" }) ?? null,
    },
    log: {
      size: value("deadletter_log_size") ?? null,
      backlog: value("deadletter_log_backlog_events") ?? null,
      oldest_pending_seconds: value("deadletter_log_oldest_pending_seconds") ?? null,
      quarantined: value("deadletter_log_quarantined_events") ?? null,
      is_refused: (value("deadletter_log_refused") ?? 0) > 0,
    },
    database: {
      is_up: (value("deadletter_database_up") ?? 0) > 0,
      active: value("deadletter_database_calls", { state: "active" }) ?? null,
      waiting: value("deadletter_database_calls", { state: "waiting" }) ?? null,
      size: value("deadletter_database_calls", { state: "size" }) ?? null,
      commit_p99_ms: milliseconds(0.99, "deadletter_database_commit_seconds_bucket"),
    },
    clicks: {
      recorded: value("deadletter_clicks_total", { stage: "recorded" }) ?? 0,
      waiting: value("deadletter_clicks_spooled") ?? 0,
      dropped: value("deadletter_clicks_dropped_total") ?? 0,
    },
    workers: value("deadletter_workers") ?? null,
  };
}

export interface Bucket {
  /** Its upper bound; the last one's is infinite. */
  readonly most: number;
  /** How many are in it or in one below. */
  readonly count: number;
}

/** What a histogram counted between two scrapes, whatever its other labels. */
function bucketsOf(name: string, before: Scrape, now: Scrape): readonly Bucket[] {
  const sum = ({ samples }: Scrape) => {
    const counts = new Map<number, number>();
    for (const sample of samples)
      if (sample.name === name) {
        const most = sample.labels.le === "+Inf" ? Number.POSITIVE_INFINITY : Number(sample.labels.le);
        counts.set(most, (counts.get(most) ?? 0) + sample.value);
      }
    return counts;
  };
  const [old, fresh] = [sum(before), sum(now)];
  return [...fresh]
    .map(([most, count]) => ({ most, count: Math.max(0, count - (old.get(most) ?? 0)) }))
    .toSorted((a, b) => a.most - b.most);
}

/** Linear within a bucket (Prometheus, histogram_quantile); null where nothing was counted. */
export function quantile(share: number, buckets: readonly Bucket[]): number | null {
  const total = buckets.at(-1)?.count ?? 0;
  if (total === 0) return null;
  const rank = share * total;
  let below = { most: 0, count: 0 };
  for (const bucket of buckets) {
    if (bucket.count >= rank) {
      if (bucket.most === Number.POSITIVE_INFINITY) return below.most;
      const inside = bucket.count - below.count;
      return below.most + (bucket.most - below.most) * (inside === 0 ? 1 : (rank - below.count) / inside);
    }
    below = bucket;
  }
  return below.most;
}
