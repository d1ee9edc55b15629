// What operators and machines ask: alive, ready, healthy, metrics, totals.

import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { unavailable } from "../errors.ts";
import { countEventsByType, type NamedCounter } from "../model/counters.ts";
import { EVENT_TYPES } from "../model/event.ts";
import { nullable, Timestamp, wordOf } from "../model/schema.ts";
import { formatTime } from "../model/time.ts";
import { readTotals } from "../operations/totals.ts";
import type { Answer } from "./exchange.ts";
import { addAccounting, aggregate, ClickAccounting, type Standing, standingOf } from "./report.ts";
import { Check, type Service } from "./service.ts";

export const REFUSED = "the stored log is not one this server would vouch for: see deadletter log status";

export const NOT_LOOKED_AT = "the stored log could not be looked at yet";

export const Liveness = Type.Object({ status: Type.Literal("alive") }, { $id: "Liveness" });

const CHECKS = ["database", "schema", "storage", "log", "starting", "draining"] as const;

export const Readiness = Type.Object(
  {
    status: wordOf(["ready", "degraded", "unready"]),
    checks: Type.Object(
      Object.fromEntries(CHECKS.map((name) => [name, Check])) as Record<(typeof CHECKS)[number], typeof Check>,
    ),
  },
  { $id: "Readiness", description: "degraded: redirects of known links work, and something else does not" },
);

export const Health = Type.Object(
  { status: wordOf(["ok", "degraded"]), detail: Type.Optional(Type.String()) },
  { $id: "Health" },
);

const counts = (schema: TSchema) => Type.Unsafe<Record<string, number>>(schema);

export const Stats = Type.Object(
  {
    links: nullable(Type.Object({ total: Type.Integer(), active: Type.Integer(), inactive: Type.Integer() })),
    events: nullable(counts(Type.Record(wordOf(EVENT_TYPES), Type.Integer()))),
    clicks: nullable(Type.Integer()),
    as_of: nullable(Timestamp),
    log_refused: nullable(Type.String()),
    click_accounting: ClickAccounting,
    workers: Type.Integer(),
    uptime_seconds: Type.Integer(),
    memory_bytes: Type.Integer(),
    version: Type.String(),
  },
  { $id: "Stats", description: "totals are null until the store has answered once; as_of says when they were read" },
);
export type Stats = Static<typeof Stats>;

export function opsHandlers(service: Service) {
  const { core, metrics, version, auditLog, database } = service;
  const { store } = core;
  /** The totals that were read last, for the time the store does not answer. */
  let lastCounters: { readonly counters: readonly NamedCounter[]; readonly atMs: number } | undefined;

  function livez(): Static<typeof Liveness> {
    return { status: "alive" };
  }

  /** 503 takes this replica out of the load balancer; each check says why. */
  async function readyz({ set }: { set: Answer }): Promise<Static<typeof Readiness>> {
    const standing = await database.standing();
    const draining: Check = service.isDraining() ? { ok: false, detail: "shutting down" } : { ok: true };
    const starting: Check = service.isStarting() ? { ok: false, detail: "starting" } : { ok: true };
    const isRefused = auditLog.isRefused();
    // What is wrong with the log is for who has a key: `log status` says it.
    const log: Check = isRefused === false ? { ok: true } : { ok: false, detail: isRefused ? REFUSED : NOT_LOOKED_AT };
    const storage: Check =
      store.lost() === undefined ? { ok: true } : { ok: false, detail: "the store's file is gone" };
    const isStoreReady = standing.database.ok && standing.schema.ok;
    // Without the database known links still redirect: to take this replica away would end that, too.
    const isServing = draining.ok && starting.ok && storage.ok && (isStoreReady || service.redirects.canServeAlone());
    const status = !isServing ? "unready" : isStoreReady && log.ok ? "ready" : "degraded";
    if (!isServing) set.status = 503;
    return { status, checks: { ...standing, storage, log, starting, draining } };
  }

  /** The first version's shape. */
  async function health({ set }: { set: Answer }): Promise<Static<typeof Health>> {
    const { ok, detail } = (await database.standing()).database;
    if (ok) return { status: "ok" };
    set.status = 503;
    return { status: "degraded", ...(detail === undefined ? {} : { detail }) };
  }

  async function metricsText({ set }: { set: Answer }) {
    set.headers["content-type"] = metrics.registry.contentType;
    return service.workers ? aggregate(await service.workers.collect()).metrics() : metrics.registry.metrics();
  }

  async function stats(): Promise<Stats> {
    const [collected] = await Promise.all([service.workers?.collect(), refreshCounters()]);
    const { counters, atMs } = lastCounters ?? {};
    const standings: readonly Standing[] = collected?.reports ?? [standingOf(service)];
    // None has answered, and none ever did.
    if (standings.length === 0) throw unavailable("no worker answered in time");
    const byName = new Map(counters?.map(({ name, value }) => [name, value]));
    const active = byName.get("links:active") ?? 0;
    const inactive = byName.get("links:inactive") ?? 0;
    return {
      /** Null where the store has not answered since the start. */
      links: counters ? { total: active + inactive, active, inactive } : null,
      events: counters ? countEventsByType(counters) : null,
      clicks: counters ? (byName.get("clicks") ?? 0) : null,
      /** When these totals were read: earlier than now while the store does not answer. */
      as_of: atMs === undefined ? null : formatTime(atMs),
      log_refused: auditLog.refusal() ?? null,
      /** Of the processes that serve now: accepted + found = recorded + spooled + waiting + dropped. */
      click_accounting: standings.map(({ clicks }) => clicks).reduce(addAccounting),
      workers: standings.length,
      uptime_seconds: Math.floor((core.clock.now() - (collected?.startedMs ?? service.startedMs)) / 1000),
      memory_bytes: standings.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
      version,
    };
  }

  async function refreshCounters(): Promise<void> {
    const counters = await readTotals(database);
    if (counters) lastCounters = { counters, atMs: core.clock.now() };
  }

  function robots() {
    return new Response("User-agent: *\nDisallow: /\n", { headers: { "content-type": "text/plain; charset=utf-8" } });
  }

  return { livez, readyz, health, metricsText, stats, robots };
}
