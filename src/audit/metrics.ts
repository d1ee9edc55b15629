// What /metrics says of the signed log: its size and backlog, whether it is refused, how long it has been silent, alarms.

import type { Counter } from "prom-client";
import { type Metrics, once } from "../metrics/registry.ts";
import { countEvents, type NamedCounter } from "../model/counters.ts";
import { ALARM_KINDS, type AlarmKind } from "./alarm.ts";
import type { Consumer } from "./consumer.ts";
import type { LastVerify } from "./last-verify.ts";

export interface LogTotals {
  readonly size: number;
  readonly at_ms: number;
  readonly quarantined: number;
  /** How often the log went back. */
  readonly epoch: number;
  /** When the event was made that waits longest for the log; null where none waits. */
  readonly oldest_at_ms: number | null;
}

export interface LogSources {
  /** Undefined until it has been looked at. */
  readonly isRefused: () => boolean | undefined;
  /** Milliseconds since the log was last heard. */
  readonly silentMs: () => number;
  /** Events that this process committed and has not seen in the log yet. */
  readonly ownWrites: () => number;
  /** The wall clock's time, in milliseconds. */
  readonly nowMs: () => number;
  /** The head; undefined while the store does not answer. */
  readonly readHead: () => Promise<LogTotals | undefined>;
  /** The store's own counters; empty while it does not answer. */
  readonly readCounters: () => Promise<readonly NamedCounter[]>;
  /** Undefined where there was none. */
  readonly readLastVerify: () => LastVerify | undefined;
}

export function publishLog(metrics: Metrics, sources: LogSources): void {
  const { isRefused, silentMs, ownWrites, readLastVerify } = sources;
  metrics.gauge(
    "deadletter_log_refused",
    "Whether the stored log is one this process would not vouch for (0 or 1): see log status.",
    { aggregator: "max" },
    () => {
      const refused = isRefused();
      return refused === undefined ? undefined : Number(refused);
    },
  );
  metrics.gauge(
    "deadletter_log_silence_seconds",
    "How long ago this process last knew of every committed change: how stale its redirects may be.",
    { aggregator: "max" },
    () => silentMs() / 1000,
  );
  metrics.gauge(
    "deadletter_log_own_writes_waiting",
    "Events that this process committed and has not seen in the log yet.",
    {},
    ownWrites,
  );
  metrics.gauge(
    "deadletter_verify_timestamp_seconds",
    "When deadletter verify last ran to its end on this data directory; nothing where it never did.",
    { aggregator: "max" },
    () => toSeconds(readLastVerify()?.at_ms),
  );
  metrics.gauge(
    "deadletter_verify_success",
    "Whether it found everything true then (0 or 1).",
    { aggregator: "min" },
    () => {
      const last = readLastVerify();
      return last && Number(last.is_true);
    },
  );
  publishHead(metrics, sources);
}

function publishHead(metrics: Metrics, { readHead, readCounters, nowMs }: LogSources): void {
  const [head, counters] = [once(readHead), once(readCounters)];
  const ofHead = (name: string, help: string, read: (head: LogTotals) => number) =>
    metrics.gauge(name, help, { aggregator: "max" }, async () => {
      const totals = await head();
      return totals && read(totals);
    });
  ofHead("deadletter_log_size", "Entries of the signed log.", ({ size }) => size);
  ofHead(
    "deadletter_log_quarantined_events",
    "Events that are false and are kept out of the log.",
    ({ quarantined }) => quarantined,
  );
  ofHead(
    "deadletter_log_oldest_pending_seconds",
    "Age of the oldest event that waits to come into the log; 0 where none waits.",
    ({ oldest_at_ms }) => (oldest_at_ms === null ? 0 : Math.max(0, nowMs() - oldest_at_ms) / 1000),
  );
  ofHead("deadletter_log_epoch", "How often the log was accepted to have gone back.", ({ epoch }) => epoch);
  ofHead(
    "deadletter_log_checkpoint_timestamp_seconds",
    "When the newest checkpoint was signed; in a store where nothing changes that is long ago.",
    ({ at_ms }) => at_ms / 1000,
  );
  metrics.gauge(
    "deadletter_log_backlog_events",
    "Committed events that are not in the log yet.",
    { aggregator: "max" },
    async () => {
      const totals = await head();
      const found = await counters();
      if (!totals || found.length === 0) return undefined;
      return Math.max(0, countEvents(found) - totals.size - totals.quarantined);
    },
  );
}

function toSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

/** How far each durable consumer that runs here is behind the log. */
export function publishConsumers(metrics: Metrics, consumers: readonly Consumer[]): void {
  metrics.gauge(
    "deadletter_consumer_lag_entries",
    "Entries of the log that a durable consumer was not given yet.",
    { label: "consumer", aggregator: "max" },
    () => Object.fromEntries(consumers.flatMap(({ name, lag }) => (lag === undefined ? [] : [[name, lag]]))),
  );
}

/** What the audit log found false or stuck; anything but 0 wants somebody's eyes. */
export function countAlarms(metrics: Metrics): Counter<"kind"> {
  const words: Readonly<Record<"kind", readonly AlarmKind[]>> = { kind: ALARM_KINDS };
  const help =
    "What this process found false or stuck in the audit log, by kind; each is in its log with what it concerns.";
  return metrics.counter("deadletter_log_alarms_total", help, words);
}
