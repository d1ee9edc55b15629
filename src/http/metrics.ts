// What is counted of requests: all but redirects, which are too many for prom-client's counters.

import type { Counter, Histogram, Registry } from "prom-client";
import { SECONDS } from "../metrics/buckets.ts";
import type { Metrics } from "../metrics/registry.ts";
import { GUARD_ACTS } from "./connection-guard.ts";
import { LIMIT_NAMES } from "./rate-limit.ts";

export interface HttpMetrics {
  readonly registry: Registry;
  readonly httpRequests: Counter<"method" | "route" | "status">;
  readonly httpSeconds: Histogram<"method" | "route" | "class">;
  readonly rateLimited: Counter<"limit">;
  readonly guardActs: Counter<"act">;
}

export function createHttpMetrics(metrics: Metrics): HttpMetrics {
  return {
    registry: metrics.registry,
    httpRequests: metrics.lazyCounter(
      "deadletter_http_requests_total",
      "API requests by method, route template and status.",
      "method",
      "route",
      "status",
    ),
    httpSeconds: metrics.histogram(
      "deadletter_http_request_duration_seconds",
      "Time to answer an API request, by method, route template and class of status.",
      { labels: ["method", "route", "class"], bounds: SECONDS },
    ),
    rateLimited: metrics.counter("deadletter_rate_limited_total", "Requests answered with 429, by limit.", {
      limit: LIMIT_NAMES,
    }),
    guardActs: metrics.counter(
      "deadletter_connection_guard_total",
      "Times file descriptors ran out: idle connections were closed, or nothing more was accepted for a while.",
      { act: GUARD_ACTS },
    ),
  };
}

/** `2xx` of 204. */
export function classOf(status: number): string {
  return `${Math.floor(status / 100)}xx`;
}
