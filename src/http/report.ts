// What one serving process says of itself, and one answer made of all of theirs. Beside the routes that ask for it, and not with
// the workers, who only carry it: a process that serves alone has a report as well.

import { type Static, Type } from "@sinclair/typebox";
import { AggregatorRegistry, Counter, Gauge, type PrometheusContentType, type Registry } from "prom-client";
import type { Clicks } from "../clicks/clicks.ts";
import { CLICK_DROPS } from "../clicks/metrics.ts";
import type { HttpMetrics } from "./metrics.ts";

/** What a process has that counts. */
interface Counting {
  readonly metrics: HttpMetrics;
  readonly clicks: Clicks;
}

/** What /stats says of one process. */
export interface Standing {
  readonly clicks: ClickAccounting;
  readonly memoryBytes: number;
}

/** What one process says of itself to whoever asks for all of them. */
export interface Report extends Standing {
  readonly metrics: readonly object[];
}

export const ClickAccounting = Type.Object(
  {
    accepted: Type.Integer(),
    found: Type.Integer(),
    recorded: Type.Integer(),
    spooled: Type.Integer(),
    waiting: Type.Integer(),
    dropped: Type.Record(Type.String(), Type.Integer(), { description: "by reason" }),
  },
  {
    $id: "ClickAccounting",
    description: "of the processes that serve now: accepted + found = recorded + spooled + waiting + dropped",
  },
);
export type ClickAccounting = Static<typeof ClickAccounting>;

export interface Collected {
  readonly reports: readonly Report[];
  /** What processes that have ended since had counted. */
  readonly ended: Report["metrics"];
  /** How many of the processes did not answer in time: theirs is an earlier report, or none. */
  readonly late: number;
  /** How often a worker was started again. */
  readonly restarts: number;
  readonly startedMs: number;
}

/** The processes that serve together (serve --workers). */
export interface WorkerPool {
  /** Throws unavailable where the supervisor does not answer. */
  collect(): Promise<Collected>;
}

export async function reportOf(service: Counting): Promise<Report> {
  return { ...standingOf(service), metrics: await service.metrics.registry.getMetricsAsJSON() };
}

export function standingOf({ clicks: { counts, waiting } }: Counting): Standing {
  const { accepted, found, recorded, spooled } = counts;
  const dropped = Object.fromEntries(CLICK_DROPS.map((reason) => [reason, counts[reason]]));
  return {
    clicks: { accepted, found, recorded, spooled, waiting, dropped },
    memoryBytes: process.memoryUsage.rss(),
  };
}

export function addAccounting(a: ClickAccounting, b: ClickAccounting): ClickAccounting {
  return {
    accepted: a.accepted + b.accepted,
    found: a.found + b.found,
    recorded: a.recorded + b.recorded,
    spooled: a.spooled + b.spooled,
    waiting: a.waiting + b.waiting,
    dropped: Object.fromEntries(
      Object.entries(a.dropped).map(([reason, count]) => [reason, count + (b.dropped[reason] ?? 0)]),
    ),
  };
}

/** One answer for all workers: each metric says how its values go together (metrics/registry.ts). */
export function aggregate({ reports, ended, late, restarts }: Collected): Registry<PrometheusContentType> {
  const registry = AggregatorRegistry.aggregate<PrometheusContentType>([
    ...reports.map(({ metrics }) => [...metrics]),
    [...ended],
  ]);
  const registers = [registry];
  new Gauge({ name: "deadletter_workers", help: "Workers that answered this scrape in time.", registers }).set(
    reports.length - late,
  );
  new Counter({
    name: "deadletter_worker_restarts_total",
    help: "Workers that ended by themselves and were started again.",
    registers,
  }).inc(restarts);
  return registry;
}
