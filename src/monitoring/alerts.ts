// Alerts that no objective covers: something is broken, or soon will be. Pure: text for Prometheus.

import type { Thresholds } from "./thresholds.ts";

export interface Alert {
  readonly name: string;
  readonly severity: "page" | "ticket";
  readonly for: string;
  /** One sentence; the runbook says the rest. */
  readonly summary: string;
  readonly expr: (job: string, thresholds: Thresholds) => string;
}

const each = (
  name: string,
  severity: Alert["severity"],
  pending: string,
  summary: string,
  expr: Alert["expr"],
): Alert => ({
  name,
  severity,
  for: pending,
  summary,
  expr,
});

const grew = (metric: string, window: string) => (job: string) =>
  `sum by (instance) (increase(${metric}{${job}}[${window}])) > 0`;

export const ALERTS: readonly Alert[] = [
  each("DeadletterDown", "page", "1m", "A replica cannot be scraped.", (job) => `up{${job}} == 0`),
  each("DeadletterAbsent", "page", "5m", "No replica is known to Prometheus, or none says what it is.", (job) =>
    [`absent(up{${job}})`, `absent(deadletter_build_info{${job}})`].join(" or "),
  ),
  each(
    "DeadletterOutage",
    "page",
    "30s",
    "The database does not answer; known links redirect from memory.",
    (job) => `deadletter_outage_mode{${job}} == 1`,
  ),
  each(
    "DeadletterDatabaseDown",
    "page",
    "30s",
    "The database does not answer, and links do not redirect from memory either.",
    (job) => `deadletter_database_up{${job}} == 0 unless on (instance) deadletter_outage_mode{${job}} == 1`,
  ),
  each(
    "DeadletterDatabaseReadOnly",
    "page",
    "1m",
    "The database in use only copies another one: changes fail.",
    (job) => `deadletter_database_is_replica{${job}} == 1`,
  ),
  each(
    "DeadletterDatabaseSaturated",
    "ticket",
    "5m",
    "Calls wait for a database connection.",
    (job) => `min_over_time(deadletter_database_calls{${job},state="waiting"}[5m]) > 0`,
  ),
  each(
    "DeadletterLogRefused",
    "page",
    "1m",
    "The stored log is not one that this server would vouch for; changes are denied.",
    (job) => `deadletter_log_refused{${job}} == 1`,
  ),
  each(
    "DeadletterLogQuarantine",
    "page",
    "0s",
    "False events are kept out of the log.",
    (job) => `max(deadletter_log_quarantined_events{${job}}) > 0`,
  ),
  each(
    "DeadletterLogAlarm",
    "page",
    "0s",
    "Something in the audit log was found false or stuck.",
    (job) => `sum by (instance, kind) (increase(deadletter_log_alarms_total{${job}}[10m])) > 0`,
  ),
  each(
    "DeadletterLogPending",
    "page",
    "2m",
    "An event has waited long for the log: nothing sequences.",
    (job, { pendingSeconds }) => `max(deadletter_log_oldest_pending_seconds{${job}}) > ${6 * pendingSeconds}`,
  ),
  each(
    "DeadletterLogUnknown",
    "ticket",
    "10m",
    "No replica says how the log stands.",
    (job) => `absent(deadletter_log_size{${job}}) or absent(deadletter_log_oldest_pending_seconds{${job}})`,
  ),
  each(
    "DeadletterVerifyFailed",
    "page",
    "0s",
    "A verification found something false.",
    (job) => `deadletter_verify_success{${job}} == 0`,
  ),
  each(
    "DeadletterVerifyOld",
    "ticket",
    "10m",
    "No verification has run in time.",
    (job, { verifyHours }) => `time() - deadletter_verify_timestamp_seconds{${job}} > ${verifyHours * 3_600}`,
  ),
  each(
    "DeadletterProbe",
    "page",
    "2m",
    "A synthetic user finds a promise broken, or has not come by.",
    // Of a textfile collector, under whatever job that has.
    () =>
      [
        // One of several probes that fails again and again, and one that fails now.
        "avg_over_time(deadletter_probe_success[10m]) < 0.7",
        "time() - deadletter_probe_timestamp_seconds > 900",
        // Its host is gone.
        "max_over_time(deadletter_probe_success[1d]) unless deadletter_probe_success",
      ].join(" or "),
  ),
  each(
    "DeadletterClicksDropped",
    "ticket",
    "0s",
    "Clicks were lost.",
    (job) => `sum by (instance, reason) (increase(deadletter_clicks_dropped_total{${job}}[10m])) > 0`,
  ),
  each(
    "DeadletterClickSpool",
    "ticket",
    "10m",
    "Clicks wait on disk, and half of the room for them is taken.",
    (job) => `deadletter_clicks_spool_bytes{${job}} / deadletter_clicks_spool_limit_bytes{${job}} > 0.5`,
  ),
  each(
    "DeadletterDisk",
    "page",
    "5m",
    "The disk of the data directory is nearly full.",
    (job, { diskFreePercent }) =>
      `100 * deadletter_disk_free_bytes{${job}} / deadletter_disk_size_bytes{${job}} < ${diskFreePercent}`,
  ),
  each(
    "DeadletterDiskSoon",
    "ticket",
    "1h",
    "At this rate the disk of the data directory is full within a day.",
    (job) => `predict_linear(deadletter_disk_free_bytes{${job}}[6h], 86400) < 0`,
  ),
  each(
    "DeadletterWal",
    "ticket",
    "10m",
    "The embedded store's write-ahead log grows: somebody reads an older state.",
    (job, { walMegabytes }) => `deadletter_sqlite_wal_bytes{${job}} > ${walMegabytes * 2 ** 20}`,
  ),
  each(
    "DeadletterConsumerLag",
    "ticket",
    "10m",
    "A durable consumer of the log is behind.",
    (job, { consumerLag }) => `max by (consumer) (deadletter_consumer_lag_entries{${job}}) > ${consumerLag}`,
  ),
  each(
    "DeadletterReplicationLag",
    "ticket",
    "5m",
    "A standby of the database is behind: a failover to it would lose what it lacks.",
    (job, { replicationLagSeconds }) =>
      `max(deadletter_database_replication_lag_seconds{${job}}) > ${replicationLagSeconds}`,
  ),
  each(
    "DeadletterStandbyLost",
    "ticket",
    "5m",
    "The database has fewer standbys than it should.",
    (job, { standbys }) => {
      const now = `max(deadletter_database_standbys{${job}})`;
      return standbys > 0
        ? `${now} < ${standbys}`
        : `${now} < max(max_over_time(deadletter_database_standbys{${job}}[1d]))`;
    },
  ),
  each(
    "DeadletterSchemaPending",
    "ticket",
    "15m",
    "The store's schema is older than the program.",
    (job) => `max(deadletter_schema_pending{${job}}) > 0`,
  ),
  each(
    "DeadletterDescriptors",
    "ticket",
    "0s",
    "Open files ran out: for a while nothing was accepted.",
    (job) => `sum by (instance) (increase(deadletter_connection_guard_total{${job},act="paused"}[10m])) > 0`,
  ),
  each(
    "DeadletterBadKeys",
    "ticket",
    "5m",
    "Somebody tries keys.",
    (job, { badKeysPerMinute }) =>
      `60 * sum(rate(deadletter_rate_limited_total{${job},limit="bad-keys"}[5m])) > ${badKeysPerMinute}`,
  ),
  each(
    "DeadletterUncaughtErrors",
    "ticket",
    "0s",
    "An error that nothing caught.",
    grew("deadletter_uncaught_errors_total", "10m"),
  ),
  each(
    "DeadletterLogLinesDropped",
    "ticket",
    "0s",
    "Log lines were lost: their reader is too slow, or gone.",
    grew("deadletter_log_lines_dropped_total", "10m"),
  ),
  each(
    "DeadletterWorkerRestarts",
    "ticket",
    "0s",
    "Workers end and are started again.",
    (job) => `sum by (instance) (increase(deadletter_worker_restarts_total{${job}}[15m])) > 2`,
  ),
];
