// Service level objectives, each as the ratio of what went wrong to all, and what may be spent of it (Google's SRE workbook,
// chapter 5: multiwindow, multi-burn-rate alerts). Pure: text for Prometheus.

import type { Thresholds } from "./thresholds.ts";

export interface Objective {
  /** The value of the label `slo`. */
  readonly name: string;
  /** Of its alerts; also the heading in docs/runbook.md. */
  readonly alert: string;
  readonly title: string;
  /** In percent. */
  readonly target: keyof Thresholds;
  /** PromQL of the share that went wrong over a window such as `5m`; it has no value where nothing happened. */
  readonly errorRatio: (window: string, job: string) => string;
  /** PromQL of how much happened over it; undefined for what is measured in time. */
  readonly total?: (window: string, job: string) => string;
  /** PromQL that has a value where it is known for half of the window at the least: for what is measured in time. */
  readonly known?: (half: string, job: string) => string;
}

/** Routes that answer no user: checks and scrapes fail, or are refused, as their answer. */
export const CHECK_ROUTES: readonly string[] = ["/livez", "/readyz", "/health", "/metrics", "/stats"];
const NOT_USERS = CHECK_ROUTES.join("|");

const rate = (metric: string, selector: string, window: string) => `sum(rate(${metric}{${selector}}[${window}]))`;
const increase = (metric: string, selector: string, window: string) =>
  `sum(increase(${metric}{${selector}}[${window}]))`;

export const OBJECTIVES: readonly Objective[] = [
  {
    name: "redirect-availability",
    alert: "DeadletterRedirectAvailability",
    title: "Redirects are answered",
    target: "redirectAvailability",
    errorRatio: (window, job) =>
      `${rate("deadletter_redirects_total", `${job},outcome="error"`, window)} / ${rate("deadletter_redirects_total", job, window)}`,
    total: (window, job) => increase("deadletter_redirects_total", job, window),
  },
  {
    name: "redirect-latency",
    alert: "DeadletterRedirectLatency",
    title: "Redirects are answered within 10 ms",
    target: "redirectLatency",
    errorRatio: (window, job) =>
      `1 - ${rate("deadletter_redirect_duration_seconds_bucket", `${job},outcome!="error",le="0.01"`, window)} / ${rate("deadletter_redirect_duration_seconds_count", `${job},outcome!="error"`, window)}`,
    total: (window, job) => increase("deadletter_redirect_duration_seconds_count", `${job},outcome!="error"`, window),
  },
  {
    name: "api-availability",
    alert: "DeadletterApiAvailability",
    title: "The API answers",
    target: "apiAvailability",
    errorRatio: (window, job) =>
      `${rate("deadletter_http_requests_total", `${job},status=~"5..",route!~"${NOT_USERS}"`, window)} / ${rate("deadletter_http_requests_total", `${job},route!~"${NOT_USERS}"`, window)}`,
    total: (window, job) => increase("deadletter_http_requests_total", `${job},route!~"${NOT_USERS}"`, window),
  },
  {
    name: "log-freshness",
    alert: "DeadletterLogFreshness",
    title: "Changes come into the signed log in time",
    target: "logFreshness",
    errorRatio: (window, job) => `avg_over_time(deadletter:log_late:bool{${job}}[${window}])`,
    // The average of the first few samples of a new Prometheus says nothing of an hour.
    known: (half, job) => `present_over_time(deadletter:log_late:bool{${job}}[15m] offset ${half})`,
  },
  {
    name: "click-loss",
    alert: "DeadletterClickLoss",
    title: "Clicks are recorded",
    target: "clickLoss",
    errorRatio: (window, job) =>
      `${rate("deadletter_clicks_dropped_total", job, window)} / ${rate("deadletter_clicks_total", `${job},stage="accepted"`, window)}`,
    total: (window, job) => increase("deadletter_clicks_total", `${job},stage="accepted"`, window),
  },
];

/** Windows that are recorded. */
export const WINDOWS = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"] as const;
/** The time over which an objective is kept, and its budget is spent. */
export const BUDGET_WINDOW = "30d";

/** How fast the budget is spent in both windows: of 30 days' worth 2 % in an hour, 5 % in 6 hours, 10 % in a day or three days. */
export const BURNS = [
  { severity: "page", factor: 14.4, long: "1h", half: "30m", short: "5m" },
  { severity: "page", factor: 6, long: "6h", half: "3h", short: "30m" },
  { severity: "ticket", factor: 3, long: "1d", half: "12h", short: "2h" },
  { severity: "ticket", factor: 1, long: "3d", half: "36h", short: "6h" },
] as const;

/** What may go wrong: 0.0005 of 99.95 %. */
export function budgetOf({ target }: Objective, thresholds: Thresholds): number {
  return Number(((100 - thresholds[target]) / 100).toFixed(8));
}
