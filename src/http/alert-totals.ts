// What alerts are decided from, added up over all processes that serve together and those of them that have ended: it never falls.

import type { Totals } from "../alerts/conditions.ts";
import { ALARM_KINDS, type AlarmKind } from "../audit/alarm.ts";
import { CHECK_ROUTES } from "../monitoring/objectives.ts";
import type { Service } from "./service.ts";

const SERIES = [
  "deadletter_redirects_total",
  "deadletter_http_requests_total",
  "deadletter_clicks_dropped_total",
  "deadletter_log_alarms_total",
] as const;

interface Metric {
  readonly name: string;
  readonly values: readonly { readonly value: number; readonly labels: Readonly<Record<string, string | number>> }[];
}

/** Undefined where not every process has answered in time: a sum that lacks one would read as a fall, and then as a rise. */
export async function readAlertTotals(service: Service): Promise<Totals | undefined> {
  const metrics = service.workers ? await collectAll(service.workers) : await readOwn(service);
  return metrics && totalsOf(metrics.filter(({ name }) => (SERIES as readonly string[]).includes(name)));
}

async function collectAll(workers: NonNullable<Service["workers"]>): Promise<readonly Metric[] | undefined> {
  const collected = await workers.collect().catch(() => undefined);
  if (!collected || collected.late > 0) return undefined;
  return [...collected.reports.flatMap(({ metrics }) => metrics), ...collected.ended] as Metric[];
}

async function readOwn({ metrics: { registry } }: Service): Promise<readonly Metric[]> {
  const own = SERIES.flatMap((name) => registry.getSingleMetric(name) ?? []);
  return (await Promise.all(own.map((metric) => metric.get()))) as Metric[];
}

function totalsOf(metrics: readonly Metric[]): Totals {
  const sum = (name: (typeof SERIES)[number], isCounted: (labels: Metric["values"][number]["labels"]) => boolean) =>
    metrics
      .filter((metric) => metric.name === name)
      .flatMap(({ values }) => values)
      .reduce((total, { value, labels }) => (isCounted(labels) ? total + value : total), 0);
  const isAsked = ({ route }: Readonly<Record<string, string | number>>) => !CHECK_ROUTES.includes(String(route));
  return {
    answers: sum("deadletter_redirects_total", () => true) + sum("deadletter_http_requests_total", isAsked),
    failures:
      sum("deadletter_redirects_total", ({ outcome }) => outcome === "error") +
      sum("deadletter_http_requests_total", (labels) => isAsked(labels) && Number(labels.status) >= 500),
    clicksDropped: sum("deadletter_clicks_dropped_total", () => true),
    alarms: Object.fromEntries(
      ALARM_KINDS.map((kind) => [kind, sum("deadletter_log_alarms_total", (labels) => labels.kind === kind)]),
    ) as Record<AlarmKind, number>,
  };
}
