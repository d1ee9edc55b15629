// A Grafana dashboard for this release, as JSON for its import (schema of Grafana 10 and later). Pure.

import { OBJECTIVES } from "./objectives.ts";

/** One graph or number: what it is called, what it asks Prometheus, in which unit of Grafana's. */
export interface Panel {
  readonly title: string;
  readonly kind: "timeseries" | "stat" | "state-timeline";
  readonly unit: string;
  /** PromQL and the legend of its series. */
  readonly queries: readonly (readonly [expr: string, legend: string])[];
}

const J = 'job="$job",instance=~"$instance"';
const rate = (metric: string, more = "") => `rate(${metric}{${J}${more}}[$__rate_interval])`;
const quantile = (share: number, metric: string, by = "", more = "") =>
  `histogram_quantile(${share}, sum by (le${by}) (${rate(`${metric}_bucket`, more)}))`;
const graph = (title: string, unit: string, ...queries: Panel["queries"]): Panel => ({
  title,
  kind: "timeseries",
  unit,
  queries,
});
const now = (title: string, unit: string, ...queries: Panel["queries"]): Panel => ({
  title,
  kind: "stat",
  unit,
  queries,
});

export const SECTIONS: readonly (readonly [title: string, panels: readonly Panel[]])[] = [
  [
    "Traffic and errors",
    [
      graph("Redirects by outcome", "reqps", [
        `sum by (outcome) (${rate("deadletter_redirects_total")})`,
        "{{outcome}}",
      ]),
      graph("Redirects that failed", "percentunit", [
        `sum(${rate("deadletter_redirects_total", ',outcome="error"')}) / sum(${rate("deadletter_redirects_total")})`,
        "failed",
      ]),
      graph("API requests by status", "reqps", [
        `sum by (status) (${rate("deadletter_http_requests_total")})`,
        "{{status}}",
      ]),
      graph("API failures by route", "reqps", [
        `sum by (method, route) (${rate("deadletter_http_requests_total", ',status=~"5.."')}) > 0`,
        "{{method}} {{route}}",
      ]),
      graph("Changes", "ops", [
        `sum by (subject, op) (${rate("deadletter_mutations_total")}) > 0`,
        "{{subject}} {{op}}",
      ]),
      graph("Refused with 429", "reqps", [`sum by (limit) (${rate("deadletter_rate_limited_total")})`, "{{limit}}"]),
    ],
  ],
  [
    "Latency",
    [
      graph(
        "Redirects",
        "s",
        [quantile(0.5, "deadletter_redirect_duration_seconds"), "median"],
        [quantile(0.99, "deadletter_redirect_duration_seconds"), "99 %"],
        [quantile(0.999, "deadletter_redirect_duration_seconds"), "99.9 %"],
      ),
      graph("API, 99 %, by method", "s", [
        quantile(0.99, "deadletter_http_request_duration_seconds", ", method"),
        "{{method}}",
      ]),
      graph("Changes, 99 %, by result", "s", [
        quantile(0.99, "deadletter_mutation_duration_seconds", ", result"),
        "{{result}}",
      ]),
      graph(
        "Database: wait and commit, 99 %",
        "s",
        [quantile(0.99, "deadletter_database_wait_seconds"), "wait"],
        [quantile(0.99, "deadletter_database_commit_seconds"), "commit"],
      ),
      graph("Changes that shared a transaction", "short", [
        `sum(${rate("deadletter_mutation_group_size_sum")}) / sum(${rate("deadletter_mutation_group_size_count")})`,
        "mean",
      ]),
    ],
  ],
  [
    "Saturation",
    [
      graph("CPU", "percentunit", [`sum by (instance) (${rate("process_cpu_seconds_total")})`, "{{instance}}"]),
      graph("Memory", "bytes", [`process_resident_memory_bytes{${J}}`, "{{instance}}"]),
      graph("Event loop delay, 99 %", "s", [`nodejs_eventloop_lag_p99_seconds{${J}}`, "{{instance}}"]),
      graph("Database calls", "short", [`sum by (state) (deadletter_database_calls{${J}})`, "{{state}}"]),
      graph(
        "Database: retries and deadlines",
        "ops",
        [`sum(${rate("deadletter_database_retries_total")})`, "retries"],
        [`sum(${rate("deadletter_database_deadlines_total")})`, "deadlines"],
      ),
      graph("Free disk", "bytes", [`deadletter_disk_free_bytes{${J}}`, "{{instance}}"]),
      graph("Write-ahead log of the embedded store", "bytes", [`deadletter_sqlite_wal_bytes{${J}}`, "{{instance}}"]),
      graph("Redirect cache", "short", [
        `sum by (instance, kind) (deadletter_cache_entries{${J}})`,
        "{{instance}} {{kind}}",
      ]),
      graph("Lookups", "ops", [`sum by (result) (${rate("deadletter_redirect_lookups_total")})`, "{{result}}"]),
      graph("Cache: let go for lack of room", "ops", [`sum(${rate("deadletter_cache_evictions_total")})`, "evictions"]),
      {
        title: "Outage: redirects from memory",
        kind: "state-timeline",
        unit: "bool_on_off",
        queries: [[`deadletter_outage_mode{${J}}`, "{{instance}}"]],
      },
      graph(
        "Replication",
        "s",
        [`max(deadletter_database_replication_lag_seconds{${J}})`, "lag"],
        [`max(deadletter_database_standbys{${J}})`, "standbys"],
      ),
    ],
  ],
  [
    "Audit log",
    [
      now("Entries", "short", [`max(deadletter_log_size{${J}})`, "entries"]),
      now("Quarantined", "short", [`max(deadletter_log_quarantined_events{${J}})`, "events"]),
      now("Refused", "bool_yes_no", [`max(deadletter_log_refused{${J}})`, "refused"]),
      now("Last verification", "dateTimeFromNow", [`1000 * max(deadletter_verify_timestamp_seconds{${J}})`, "verify"]),
      graph("Events", "ops", [
        `sum by (event_type) (max by (subject, event_type) (${rate("deadletter_events_total")}))`,
        "{{event_type}}",
      ]),
      graph("Oldest event that waits for the log", "s", [`max(deadletter_log_oldest_pending_seconds{${J}})`, "age"]),
      graph("Backlog", "short", [`max(deadletter_log_backlog_events{${J}})`, "events"]),
      graph("How stale redirects may be", "s", [`deadletter_log_silence_seconds{${J}}`, "{{instance}}"]),
      graph("Alarms", "short", [`sum by (kind) (increase(deadletter_log_alarms_total{${J}}[10m]))`, "{{kind}}"]),
      graph("Consumers behind", "short", [`max by (consumer) (deadletter_consumer_lag_entries{${J}})`, "{{consumer}}"]),
    ],
  ],
  [
    "Clicks",
    [
      graph("Clicks", "ops", [`sum by (stage) (${rate("deadletter_clicks_total")})`, "{{stage}}"]),
      graph("Lost", "ops", [`sum by (reason) (${rate("deadletter_clicks_dropped_total")})`, "{{reason}}"]),
      graph(
        "Waiting on disk",
        "bytes",
        [`sum by (instance) (deadletter_clicks_spool_bytes{${J}})`, "{{instance}}"],
        [`max(deadletter_clicks_spool_limit_bytes{${J}})`, "limit"],
      ),
    ],
  ],
  [
    "Error budget",
    [
      now("Left of 30 days", "percentunit", ['deadletter:slo_budget:remaining_ratio{job="$job"}', "{{slo}}"]),
      ...OBJECTIVES.map(({ name, title }) =>
        graph(
          title,
          "percentunit",
          [`deadletter:slo_errors:ratio_rate1h{job="$job",slo="${name}"}`, "errors, 1 h"],
          [`deadletter:slo_budget:ratio{job="$job",slo="${name}"}`, "budget"],
        ),
      ),
    ],
  ],
];

export function dashboardOf(version: string): object {
  let y = 0;
  const panels = SECTIONS.flatMap(([title, section], index) => {
    const row = {
      type: "row",
      title,
      collapsed: false,
      id: 1000 + index,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    };
    const top = y + 1;
    y = top + Math.ceil(section.length / 3) * 8;
    return [row, ...section.map((panel, at) => panelOf(panel, { id: 100 * (index + 1) + at, at, top }))];
  });
  return {
    uid: "deadletter",
    title: "deadletter",
    description: `Made by deadletter ${version}: deadletter monitoring dashboard`,
    tags: ["deadletter"],
    schemaVersion: 39,
    editable: true,
    refresh: "30s",
    time: { from: "now-6h", to: "now" },
    templating: { list: VARIABLES },
    panels,
  };
}

const SOURCE = { type: "prometheus", uid: "$datasource" };

const VARIABLES = [
  { name: "datasource", type: "datasource", query: "prometheus", label: "Data source" },
  { name: "job", type: "query", datasource: SOURCE, query: "label_values(deadletter_build_info, job)", refresh: 1 },
  {
    ...{ name: "instance", type: "query", datasource: SOURCE, refresh: 2 },
    query: 'label_values(deadletter_build_info{job="$job"}, instance)',
    ...{ includeAll: true, multi: true, allValue: ".*", current: { text: "All", value: "$__all" } },
  },
];

function panelOf(
  { title, kind, unit, queries }: Panel,
  { id, at, top }: { id: number; at: number; top: number },
): object {
  return {
    id,
    type: kind,
    title,
    datasource: SOURCE,
    gridPos: { x: (at % 3) * 8, y: top + Math.floor(at / 3) * 8, w: 8, h: 8 },
    fieldConfig: { defaults: { unit, min: kind === "timeseries" && unit !== "short" ? 0 : undefined }, overrides: [] },
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: SOURCE,
      expr,
      legendFormat,
    })),
  };
}
