// What operators and machines ask: alive, ready, healthy, metrics, totals.

import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { CLICK_DROPS } from "../metrics.ts";
import { EVENT_TYPES } from "../model/event.ts";
import { countPending } from "../store/migrate.ts";
import { readCounters } from "../store/queries/events.ts";
import { ping } from "../store/queries/schema.ts";
import { withDeadline } from "../store/store.ts";
import type { Answer, Service } from "./service.ts";

interface Check {
  readonly ok: boolean;
  readonly detail?: string;
}

export function opsHandlers(service: Service) {
  const { core, metrics, startedMs, version } = service;
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
    return metrics.registry.metrics();
  }

  async function stats() {
    const counters = new Map((await store.read(readCounters)).map(({ name, value }) => [name, value]));
    const events: Record<string, number> = Object.fromEntries(EVENT_TYPES.map((type) => [type, 0]));
    for (const [name, value] of counters) {
      const [, , type] = /^events:(\w+):(\w+)$/.exec(name) ?? [];
      if (type !== undefined) events[type] = (events[type] ?? 0) + value;
    }
    const active = counters.get("links:active") ?? 0;
    const inactive = counters.get("links:inactive") ?? 0;
    return {
      links: { total: active + inactive, active, inactive },
      events,
      clicks: counters.get("clicks") ?? 0,
      /** Of this process: accepted + found = recorded + spooled + waiting + dropped. */
      click_accounting: clickAccounting(service),
      uptime_seconds: Math.floor((Date.now() - startedMs) / 1000),
      memory_bytes: process.memoryUsage.rss(),
      version,
    };
  }

  function robots() {
    return new Response("User-agent: *\nDisallow: /\n", { headers: { "content-type": "text/plain; charset=utf-8" } });
  }

  return { livez, readyz, health, metricsText, stats, robots };
}

function clickAccounting({ metrics: { clicks }, clicks: { waiting } }: Service) {
  const { accepted, found, recorded, spooled } = clicks;
  const dropped = Object.fromEntries(CLICK_DROPS.map((reason) => [reason, clicks[reason]]));
  return { accepted, found, recorded, spooled, waiting, dropped };
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
