// What /metrics says of the signed log: its size and backlog, whether it is refused, how long it has been silent, alarms.

import type { Counter } from "prom-client";
import { type Metrics, once } from "../metrics/registry.ts";
import { countEvents, type NamedCounter } from "../model/counters.ts";
import { ALARM_KINDS, type AlarmKind } from "./alarm.ts";
import type { Consumer } from "./consumer.ts";

export interface LogTotals {
  readonly size: number;
  readonly at_ms: number;
  readonly quarantined: number;
}

export interface LogSources {
  readonly isRefused: () => boolean;
  /** Milliseconds since the log was last heard. */
  readonly silentMs: () => number;
  /** The head; undefined while the store does not answer. */
  readonly readHead: () => Promise<readonly LogTotals[] | undefined>;
  /** The store's own counters; empty while it does not answer. */
  readonly readCounters: () => Promise<readonly NamedCounter[]>;
}

export function publishLog(metrics: Metrics, { isRefused, silentMs, readHead, readCounters }: LogSources): void {
  metrics.gauge(
    "deadletter_log_refused",
    "Whether the stored log is one this process would not vouch for (0 or 1): see log status.",
    { aggregator: "max" },
    () => Number(isRefused()),
  );
  metrics.gauge(
    "deadletter_log_silence_seconds",
    "How long ago this process last knew of every committed change; redirects come from memory alone while it is long.",
    { aggregator: "max" },
    () => silentMs() / 1000,
  );
  const [head, counters] = [once(readHead), once(readCounters)];
  const ofHead = (name: string, help: string, read: (head: LogTotals, events: number) => number) =>
    metrics.gauge(name, help, { aggregator: "max" }, async () => {
      const [totals] = (await head()) ?? [];
      const found = await counters();
      return totals && found.length > 0 ? read(totals, countEvents(found)) : undefined;
    });
  ofHead("deadletter_log_size", "Entries of the signed log.", ({ size }) => size);
  ofHead(
    "deadletter_log_quarantined_events",
    "Events that are false and are kept out of the log.",
    ({ quarantined }) => quarantined,
  );
  ofHead(
    "deadletter_log_backlog_events",
    "Committed events that are not in the log yet.",
    ({ size, quarantined }, events) => Math.max(0, events - size - quarantined),
  );
  ofHead(
    "deadletter_log_checkpoint_timestamp_seconds",
    "When the newest checkpoint was signed.",
    ({ at_ms }) => at_ms / 1000,
  );
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
