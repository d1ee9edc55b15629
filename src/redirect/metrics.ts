// What is counted of redirects, as plain numbers on the hot path, and how /metrics says it.

import type { Metrics } from "../metrics/registry.ts";
import type { RedirectCache } from "./cache.ts";

export const REDIRECT_OUTCOMES = ["found", "missing", "inactive", "expired", "error"] as const;
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
  readonly outcomes: Record<RedirectOutcome, number>;
  readonly lookups: LookupCounts;
  /** Parts of the cache's tables that were laid out anew, because a code was too far from its place. */
  rekeys: number;
}

export function newRedirectCounts(): RedirectCounts {
  return {
    outcomes: { found: 0, missing: 0, inactive: 0, expired: 0, error: 0 },
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
  metrics.counted("deadletter_redirects_total", "Redirect requests by outcome.", "outcome", () => counts.outcomes);
  metrics.gauge(
    "deadletter_cache_entries",
    "What the redirect cache holds: links, and codes that belong to none.",
    { label: "kind" },
    () => ({ link: cache.size.links, missing: cache.size.missing }),
  );
  metrics.gauge("deadletter_cache_bytes", "Estimated size of the cached links.", {}, () => cache.size.bytes);
}
