// What operators and machines ask: alive, ready, healthy, metrics, totals.

import { AggregatorRegistry, Counter, Gauge, type PrometheusContentType, type Registry } from "prom-client";
import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { CLICK_DROPS } from "../metrics.ts";
import { countEventsByType } from "../model/counters.ts";
import { countPending } from "../store/migrate.ts";
import { readCounters } from "../store/queries/events.ts";
import { ping } from "../store/queries/schema.ts";
import { withDeadline } from "../store/store.ts";
import type { Answer, ClickAccounting, Collected, Report, Service, Standing } from "./service.ts";

interface Check {
  readonly ok: boolean;
  readonly detail?: string;
}

export function opsHandlers(service: Service) {
  const { core, metrics, version } = service;
  const { store } = core;

  function livez() {
    return { status: "alive" };
  }

  /** 503 takes this replica out of the load balancer; each check says why. */
  async function readyz({ set }: { set: Answer }) {
    const [database, schema] = await Promise.all([
      check("the database does not answer", () => store.read(ping)),
      check("the schema cannot be read", async () => {
        const pending = await store.read((sql) => countPending(sql, store.engine));
        if (pending > 0) throw new Pending(`${pending} migrations are pending: run deadletter migrate`);
      }),
    ]);
    const draining: Check = service.isDraining() ? { ok: false, detail: "shutting down" } : { ok: true };
    const isReady = database.ok && schema.ok && draining.ok;
    // Without the database known links still redirect: to take this replica away would end that, too.
    const isDegraded = !isReady && draining.ok && service.redirects.isOnCache();
    if (!isReady && !isDegraded) set.status = 503;
    return { status: isReady ? "ready" : isDegraded ? "degraded" : "unready", checks: { database, schema, draining } };
  }

  /** The first version's shape. */
  async function health({ set }: { set: Answer }) {
    const { ok, detail } = await check("the database does not answer", () => store.read(ping));
    if (ok) return { status: "ok" };
    set.status = 503;
    return { status: "degraded", detail };
  }

  async function metricsText({ set }: { set: Answer }) {
    set.headers["content-type"] = metrics.registry.contentType;
    return service.workers ? aggregate(await service.workers.collect()).metrics() : metrics.registry.metrics();
  }

  async function stats() {
    const [counters, collected] = await Promise.all([store.read(readCounters), service.workers?.collect()]);
    const standings: readonly Standing[] = collected?.reports ?? [standingOf(service)];
    // None has answered, and none ever did.
    if (standings.length === 0) throw unavailable("no worker answered in time");
    const byName = new Map(counters.map(({ name, value }) => [name, value]));
    const active = byName.get("links:active") ?? 0;
    const inactive = byName.get("links:inactive") ?? 0;
    return {
      links: { total: active + inactive, active, inactive },
      events: countEventsByType(counters),
      clicks: byName.get("clicks") ?? 0,
      /** Of the processes that serve now: accepted + found = recorded + spooled + waiting + dropped. */
      click_accounting: standings.map(({ clicks }) => clicks).reduce(addAccounting),
      workers: standings.length,
      uptime_seconds: Math.floor((Date.now() - (collected?.startedMs ?? service.startedMs)) / 1000),
      memory_bytes: standings.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
      version,
    };
  }

  function robots() {
    return new Response("User-agent: *\nDisallow: /\n", { headers: { "content-type": "text/plain; charset=utf-8" } });
  }

  return { livez, readyz, health, metricsText, stats, robots };
}

export async function reportOf(service: Service): Promise<Report> {
  return { ...standingOf(service), metrics: await service.metrics.registry.getMetricsAsJSON() };
}

function standingOf({ metrics, clicks: { waiting } }: Service): Standing {
  const { accepted, found, recorded, spooled } = metrics.clicks;
  const dropped = Object.fromEntries(CLICK_DROPS.map((reason) => [reason, metrics.clicks[reason]]));
  return {
    clicks: { accepted, found, recorded, spooled, waiting, dropped },
    memoryBytes: process.memoryUsage.rss(),
  };
}

function addAccounting(a: ClickAccounting, b: ClickAccounting): ClickAccounting {
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

/** One answer for all workers: each metric says how its values go together (metrics.ts). */
function aggregate({ reports, ended, late, restarts }: Collected): Registry<PrometheusContentType> {
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

/** A reason that may be shown: it was written here, not thrown by a driver. */
class Pending extends Error {}

async function check(failure: string, run: () => Promise<unknown>): Promise<Check> {
  try {
    await withDeadline(run(), LIMITS.readinessMs, () => unavailable(failure));
    return { ok: true };
  } catch (error) {
    return { ok: false, detail: error instanceof Pending ? error.message : failure };
  }
}
