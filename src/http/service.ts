// What the HTTP layer is given by whoever puts the parts together.

import { type Static, Type } from "@sinclair/typebox";
import type { LogFeed } from "../audit/feed.ts";
import type { Presence } from "../audit/presence.ts";
import type { Clicks } from "../clicks/clicks.ts";
import type { Core } from "../operations/context.ts";
import type { SoonReader } from "../operations/totals.ts";
import type { RedirectCounts } from "../redirect/metrics.ts";
import type { RedirectRate } from "../redirect/redirect-rate.ts";
import type { Resolver } from "../redirect/resolve.ts";
import type { Logger } from "../runtime/logger.ts";
import type { TrustedProxies } from "./client.ts";
import type { KeyMemory } from "./key-memory.ts";
import type { HttpMetrics } from "./metrics.ts";
import type { RateLimits } from "./rate-limit.ts";
import type { WorkerPool } from "./report.ts";

export interface Service {
  readonly core: Core;
  readonly metrics: HttpMetrics;
  readonly log: Logger;
  readonly redirectLines: RedirectLines;
  readonly clicks: Clicks;
  readonly auditLog: AuditLog;
  readonly redirects: RedirectPlane;
  readonly database: Database;
  readonly presence: Pick<Presence, "look">;
  readonly keys: KeyMemory;
  readonly limits: RateLimits;
  readonly clients: Clients;
  readonly pages: PageSettings;
  /** Where the public reaches redirects, without a slash at the end. */
  readonly publicAddress: () => string;
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

/** Which redirects get a line in the log. */
export class RedirectLines {
  readonly #oneOf: number;
  #since = 0;

  /** One of how many that did not fail; 0 for none. */
  constructor(oneOf: number) {
    this.#oneOf = oneOf;
  }

  /** Of one that did not fail. */
  isDue(): boolean {
    if (this.#oneOf === 0) return false;
    this.#since += 1;
    if (this.#since < this.#oneOf) return false;
    this.#since = 0;
    return true;
  }
}

/** Of the pages for people. */
export interface PageSettings {
  /** Whether a browser gets a page where everybody else gets a 404 in JSON. */
  readonly isOn: boolean;
  readonly isPreviewOn: boolean;
  /** Where the front page sends people; undefined where it is a page of its own. */
  readonly homeUrl: string | undefined;
  readonly name: string;
  /** As CSS has it: `#rrggbb`. */
  readonly color: string;
}

/** What the server knows of the signed log beside the store. */
export interface AuditLog {
  readonly feed: LogFeed;
  /** Why this process would not vouch for the stored log, where it would not. */
  readonly refusal: () => string | undefined;
  /** Whether it would not; undefined until it has been looked at. */
  readonly isRefused: () => boolean | undefined;
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
export interface Database extends SoonReader {
  readonly isSilent: boolean;
  standing(): Promise<{ readonly database: Check; readonly schema: Check }>;
}

export const Check = Type.Object({
  ok: Type.Boolean(),
  detail: Type.Optional(Type.String({ description: "why not, in words that may be shown to anybody" })),
});
export type Check = Static<typeof Check>;

/** What answers redirects. */
export interface RedirectPlane {
  readonly resolver: Resolver;
  readonly counts: RedirectCounts;
  readonly rate: RedirectRate;
  /** Whether links that are known would redirect without the database. */
  readonly canServeAlone: () => boolean;
}
