// What is counted of redirects, as plain numbers on the hot path, and how /metrics says it.

import { Buckets, FAST_SECONDS } from "../metrics/buckets.ts";
import type { Metrics } from "../metrics/registry.ts";
import type { RedirectCache } from "./cache.ts";

export const REDIRECT_OUTCOMES = [
  "found",
  "missing",
  "inactive",
  "expired",
  "not_started",
  "refused",
  "error",
] as const;
export type RedirectOutcome = (typeof REDIRECT_OUTCOMES)[number];

/** How lookups were answered. */
export interface LookupCounts {
  hit: number;
  miss: number;
  /** Asked of the store although cached, because the log was silent. */
  recheck: number;
  /** Answered from the cache because the store did not answer. */
  outage: number;
}

export interface RedirectCounts {
  /** How long each answer took, in seconds. */
  readonly answers: Readonly<Record<RedirectOutcome, Buckets>>;
  readonly lookups: LookupCounts;
  /** Parts of the cache's tables that were laid out anew, because a code was too far from its place. */
  rekeys: number;
}

export function newRedirectCounts(): RedirectCounts {
  return {
    answers: {
      found: new Buckets(FAST_SECONDS),
      missing: new Buckets(FAST_SECONDS),
      inactive: new Buckets(FAST_SECONDS),
      expired: new Buckets(FAST_SECONDS),
      not_started: new Buckets(FAST_SECONDS),
      refused: new Buckets(FAST_SECONDS),
      error: new Buckets(FAST_SECONDS),
    },
    lookups: { hit: 0, miss: 0, recheck: 0, outage: 0 },
    rekeys: 0,
  };
}

export function publishRedirects(metrics: Metrics, counts: RedirectCounts, cache: RedirectCache): void {
  metrics.counted(
    "deadletter_redirect_lookups_total",
    "How redirects were looked up: in the cache, in the store (miss, recheck), or in the cache because the store was down.",
    "result",
    () => ({ ...counts.lookups }),
  );
  metrics.counted(
    "deadletter_cache_rekeys_total",
    "Parts of the redirect cache that were laid out anew because codes collided; more than a few are an attack.",
    undefined,
    () => counts.rekeys,
  );
  metrics.counted("deadletter_redirects_total", "Redirect requests by outcome.", "outcome", () =>
    Object.fromEntries(REDIRECT_OUTCOMES.map((outcome) => [outcome, counts.answers[outcome].count])),
  );
  metrics.buckets(
    "deadletter_redirect_duration_seconds",
    "Time to answer a redirect request, by outcome.",
    "outcome",
    counts.answers,
  );
  metrics.gauge(
    "deadletter_cache_entries",
    "What the redirect cache holds: links, and codes that belong to none.",
    { label: "kind" },
    () => ({ link: cache.size.links, missing: cache.size.missing }),
  );
  metrics.counted(
    "deadletter_cache_evictions_total",
    "Links and unknown codes that the redirect cache let go because it was full; steady growth means it is too small.",
    undefined,
    () => cache.evictions,
  );
  metrics.gauge("deadletter_cache_bytes", "Estimated size of the cached links.", {}, () => cache.size.bytes);
}
