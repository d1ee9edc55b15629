// From a configuration to a store: where it is, whether it can be reached, whether its schema is this binary's.

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config/settings.ts";
import { badRequest, DeadletterError, messageOf } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type Clock, sleep, systemClock } from "../runtime/clock.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import { assertAnswers, migrate, schemaStatus } from "../store/migrate.ts";
import { openPostgres } from "../store/postgres.ts";
import { openSqlite } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";

/** The store alone, reachable but perhaps not migrated: for `migrate`. */
export async function openStore(config: Config, clock: Clock = systemClock): Promise<Store> {
  const store = await connectStore(config, clock);
  try {
    await waitUntilReachable(store, config, clock);
    await assertReachable(store);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

export async function connectStore(config: Config, clock: Clock): Promise<Store> {
  const deadlineMs = config.databaseDeadlineMs;
  if (config.databaseUrl === undefined) {
    ensureDataDir(config.dataDir);
    return openSqlite(embeddedPath(config), { deadlineMs, clock, walBytes: config.walMegabytes * 2 ** 20 });
  }
  const { poolSize, pgbouncer: isPooled } = config;
  return openPostgres(config.databaseUrl, { poolSize, deadlineMs, isPooled, clock });
}

/** As long as the configuration says; what is wrong after that is for whoever asks next to find out. */
export async function waitUntilReachable(store: Store, config: Config, clock: Clock, log?: Logger): Promise<void> {
  const untilMs = clock.monotonic() + config.waitForDatabase;
  for (let isFirst = true; clock.monotonic() < untilMs; isFirst = false) {
    try {
      return await assertReachable(store);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      if (isFirst) log?.warn("waiting for the database", { ms: config.waitForDatabase, ...describeError(error) });
      await sleep(clock, Math.min(LIMITS.probeMs, Math.max(0, untilMs - clock.monotonic())));
    }
  }
}

export async function assertReachable(store: Store): Promise<void> {
  try {
    await assertAnswers(store);
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const isPooler = messageOf(cause).includes("unsupported startup parameter");
    const isMissing = (cause as { code?: unknown }).code === "3D000";
    throw new DeadletterError("unavailable", `cannot use PostgreSQL at ${store.place}`, {
      hint: isPooler
        ? "this looks like a pooler: set DEADLETTER_PGBOUNCER=true"
        : isMissing
          ? "create the database first: createdb --owner=deadletter deadletter"
          : "check DATABASE_URL and that the server is up",
      cause,
    });
  }
}

export async function bringSchemaUp(store: Store, config: Config, clock: Clock): Promise<void> {
  if (config.migrate) {
    await migrate(store, { nowMs: clock.now() });
    return;
  }
  const { pending } = await schemaStatus(store);
  if (pending.length > 0)
    throw new DeadletterError("unavailable", `the schema of ${store.place} is ${pending.length} migration(s) behind`, {
      hint: "run: deadletter migrate",
    });
}

/** Whether there is something to open. */
export function hasStore(config: Config): boolean {
  return config.databaseUrl !== undefined || existsSync(embeddedPath(config));
}

/** For commands that only make sense on a store that is there: they must not leave an empty one behind. */
export function refuseMissingStore(config: Config): void {
  if (hasStore(config)) return;
  throw badRequest(
    `there is no store in ${config.dataDir}`,
    "to reach a server: --server URL with DEADLETTER_KEY, or deadletter login URL; for a store of this host: deadletter serve, --data-dir or DATABASE_URL",
  );
}

export function embeddedPath(config: Config): string {
  return join(config.dataDir, "deadletter.db");
}

/** Creates the data directory (0700) if absent. Throws bad_request if it cannot be used. */
export function ensureDataDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw badRequest(
      `cannot use the data directory ${path}: ${messageOf(error)}`,
      "choose another with --data-dir or DEADLETTER_DATA_DIR",
    );
  }
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof DeadletterError && error.code === "unavailable";
}
