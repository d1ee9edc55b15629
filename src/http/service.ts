// What the HTTP layer is given, and what it remembers of a request while it answers it.

import type { LogFeed } from "../audit/feed.ts";
import { LIMITS } from "../limits.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Caller, Core } from "../operations/core.ts";
import type { Clicks } from "../redirect/clicks.ts";
import type { Follower } from "../redirect/follow.ts";
import type { Sql } from "../store/store.ts";
import { clientAddress, type TrustedProxies } from "./client.ts";
import type { KeyMemory } from "./key-memory.ts";
import type { LimitName, RateLimits } from "./rate-limit.ts";

/** What /stats says of one process. */
export interface Standing {
  readonly clicks: ClickAccounting;
  readonly memoryBytes: number;
}

/** What one process says of itself to whoever asks for all of them. */
export interface Report extends Standing {
  readonly metrics: readonly object[];
}

export interface ClickAccounting {
  readonly accepted: number;
  readonly found: number;
  readonly recorded: number;
  readonly spooled: number;
  readonly waiting: number;
  readonly dropped: Readonly<Record<string, number>>;
}

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

export interface Service {
  readonly core: Core;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly clicks: Clicks;
  readonly auditLog: AuditLog;
  readonly redirects: RedirectPlane;
  readonly database: Database;
  readonly keys: KeyMemory;
  readonly limits: RateLimits;
  readonly clients: Clients;
  readonly version: string;
  readonly startedMs: number;
  /** The front door that events name: `http`, or `cli:uid-N` when the app is mounted in a command. */
  readonly via: string;
  /** A secret that lets the process that made it act as an admin without a user: commands on the store's own host. */
  readonly operatorSecret: string | undefined;
  /** Undefined where this process is the only one of its server. */
  readonly workers: WorkerPool | undefined;
  /** True from the first SIGTERM on: /readyz says so, and load balancers look elsewhere. */
  readonly isDraining: () => boolean;
  /** True while a process that is to serve has not done all that its start has to do: its first key may not work yet. */
  readonly isStarting: () => boolean;
}

/** What the server knows of the signed log beside the store. */
export interface AuditLog {
  readonly feed: LogFeed;
  /** Why this process would not vouch for the stored log, where it would not. */
  readonly refusal: () => string | undefined;
}

/** How a client's address is found out, and what becomes of it. */
export interface Clients {
  readonly trusted: TrustedProxies;
  /** What a log line says of an address; undefined where it says nothing. */
  readonly inLog: ((address: string) => string) | undefined;
  /** Whether the actor of an event holds it. */
  readonly isAudited: boolean;
}

/** What is known of the database without asking it. */
export interface Database {
  readonly isSilent: boolean;
  standing(): Promise<{ readonly database: Check; readonly schema: Check }>;
  /** What the store says within LIMITS.scrapeReadMs; undefined where it does not answer. */
  readSoon<T>(run: (sql: Sql) => PromiseLike<T>): Promise<T | undefined>;
}

export interface Check {
  readonly ok: boolean;
  /** Why not, in words that may be shown to anybody. */
  readonly detail?: string;
}

/** What answers redirects. */
export interface RedirectPlane {
  readonly follower: Follower;
  /** Whether links that are known would redirect without the database. */
  readonly canServeAlone: () => boolean;
}

/** What a handler may set of its answer beside the body. */
export interface Answer {
  headers: Record<string, string | number>;
  status?: number | string;
}

/** One request on its way; lives as long as the request does. */
export interface Exchange {
  readonly requestId: string;
  readonly startedMs: number;
  /** The route's template, for metrics; a closed set. */
  route: string;
  caller: Caller | undefined;
  /** The client's address, once somebody has asked for it. */
  client: string | undefined;
}

const exchanges = new WeakMap<Request, Exchange>();

export function openExchange(request: Request): Exchange {
  const exchange: Exchange = {
    requestId: requestIdOf(request),
    startedMs: performance.now(),
    route: "unknown",
    caller: undefined,
    client: undefined,
  };
  exchanges.set(request, exchange);
  return exchange;
}

export function exchangeOf(request: Request): Exchange {
  return exchanges.get(request) ?? openExchange(request);
}

/** Which connection a request came over: whoever takes it off the wire says so, and who wants its address asks. */
const peers = new WeakMap<Request, () => string>();

export function rememberPeer(request: Request, peer: () => string): void {
  peers.set(request, peer);
}

/** The client's address; empty where the request came over no connection, as a command's own. */
export function clientOf({ clients }: Service, request: Request): string {
  const exchange = exchangeOf(request);
  exchange.client ??= clientAddress(peers.get(request)?.() ?? "", request.headers, clients.trusted);
  return exchange.client;
}

/** Counts one against a limit that is on; none of a command's in its own process, who is empty. Throws too_many_requests. */
export function takeFrom({ limits, metrics }: Service, name: LimitName, who: string): void {
  if (who === "") return;
  try {
    limits[name]?.take(who);
  } catch (error) {
    metrics.rateLimited.inc({ limit: name });
    throw error;
  }
}

/** Who asks. Only handlers of guarded routes call it, so a missing caller is a route that was never guarded. */
export function callerOf(request: Request): Caller {
  const { caller } = exchangeOf(request);
  if (!caller) throw new Error("a handler asked for the caller of a public route");
  return caller;
}

/** The client's own id where it is 1 to LIMITS.requestIdChars visible ASCII characters, else a fresh one. */
export function requestIdOf(request: Request): string {
  const given = request.headers.get("x-request-id");
  const isUsable = given !== null && given.length <= LIMITS.requestIdChars && /^[\x21-\x7e]+$/.test(given);
  return isUsable ? given : crypto.randomUUID();
}
