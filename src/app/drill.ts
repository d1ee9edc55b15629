// A restore drill: takes a backup, restores it beside the store that is served, verifies what came of it, and leaves nothing. On
// PostgreSQL with its own tools, into a database that is dropped again.

import { existsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCheckpoint } from "../audit/checkpoint-memory.ts";
import { encodeLogKey, type LogKey } from "../audit/log-key.ts";
import { type VerifyReport, verify } from "../audit/verify.ts";
import { inDatabase, libpqEnvironment, parseDatabaseUrl } from "../config/database-url.ts";
import type { Config } from "../config/settings.ts";
import { badRequest, unavailable } from "../errors.ts";
import { type Outside, SYSTEM } from "../runtime/outside.ts";
import { randomName } from "../runtime/random.ts";
import { checkpointPath } from "./audit.ts";
import { backUp, type Progress, restoreBackup } from "./backup.ts";
import { findLogKey } from "./log-key-file.ts";
import { openStore, refuseMissingStore } from "./open-store.ts";

export interface DrillOptions extends Progress {
  /** Where the copies are made; the system's temporary folder where it is not given. */
  readonly folder: string | undefined;
  /** A backup that is there already, in place of a new one; of the embedded store. */
  readonly backup: string | undefined;
}

export interface DrillReport extends VerifyReport {
  /** Of the backup. */
  readonly bytes: number;
  /** Undefined where the backup was there. */
  readonly backupMs: number | undefined;
  /** Restoring and verifying. */
  readonly restoreMs: number;
  /** Entries of the log that this host knows of, and the backup lacks. */
  readonly entriesBehind: number;
}

/** Throws bad_request where it cannot be tried here, unavailable where a tool of PostgreSQL's fails. */
export async function drillRestore(
  config: Config,
  options: DrillOptions,
  outside: Outside = SYSTEM,
): Promise<DrillReport> {
  refuseMissingStore(config);
  const { files, randomBytes } = outside;
  const folder = join(options.folder ?? tmpdir(), `deadletter-drill-${randomName(randomBytes, 4)}`);
  files.makeFolder(folder);
  try {
    return config.databaseUrl === undefined
      ? await drillEmbedded(config, folder, options, outside)
      : await drillPostgres(config, config.databaseUrl, folder, options, outside);
  } finally {
    files.removeFolder(folder);
  }
}

async function drillEmbedded(
  config: Config,
  folder: string,
  options: DrillOptions,
  outside: Outside,
): Promise<DrillReport> {
  const { clock } = outside;
  const startedMs = clock.monotonic();
  const file = options.backup ?? join(folder, "backup.db");
  const silent = { onFinding: () => undefined };
  if (options.backup === undefined) await backUp(config, file, silent, outside);
  else if (!existsSync(file)) throw badRequest(`there is no backup ${file}`);
  const restoringMs = clock.monotonic();
  // The key is found where the service finds it, and what this host remembers is held against the copy.
  const key = await ownKey(config, outside);
  const remembered = rememberedBy(config);
  const report = await restoreBackup(
    { ...config, dataDir: join(folder, "restored"), logKey: encodeLogKey(key) },
    file,
    { ...options, checkpoints: remembered, mayRollBack: true },
    outside,
  );
  // Where it was restored is gone.
  const { dataDir: _, behind: __, ...verified } = report;
  return {
    ...verified,
    bytes: statSync(file).size,
    backupMs: options.backup === undefined ? restoringMs - startedMs : undefined,
    restoreMs: clock.monotonic() - restoringMs,
    entriesBehind: behind(remembered, key, report),
  };
}

/** pg_dump, createdb, pg_restore, dropdb: of the server's version or a later one (PostgreSQL manual, pg_dump). */
async function drillPostgres(
  config: Config,
  databaseUrl: string,
  folder: string,
  options: DrillOptions,
  outside: Outside,
): Promise<DrillReport> {
  const { clock, randomBytes } = outside;
  if (options.backup !== undefined)
    throw badRequest(
      "--backup is for the embedded store",
      "restore a dump beside by hand: pg_restore, then deadletter verify",
    );
  const missing = ["pg_dump", "createdb", "pg_restore", "dropdb"].filter((program) => Bun.which(program) === null);
  if (missing.length > 0)
    throw badRequest(
      `${missing.join(", ")} must be installed for a drill on PostgreSQL`,
      "apt-get install postgresql-client",
    );
  const key = await ownKey(config, outside);
  const remembered = rememberedBy(config);
  const saved = remembered.map((place) => ({ place, checkpoint: readCheckpoint(place, key).checkpoint }));
  const environment = { ...process.env, ...libpqEnvironment(parseDatabaseUrl(databaseUrl)) };
  const scratch = `deadletter_drill_${randomName(randomBytes, 4)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, "0")}`;
  const dump = join(folder, "backup.dump");
  const startedMs = clock.monotonic();
  await runTool(["pg_dump", "--format=custom", `--file=${dump}`], environment);
  const restoringMs = clock.monotonic();
  await runTool(["createdb", scratch], environment);
  try {
    await runTool(
      ["pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", `--dbname=${scratch}`, dump],
      environment,
    );
    const store = await openStore({ ...config, databaseUrl: inDatabase(databaseUrl, scratch) }, clock);
    try {
      // What came into the log after the dump was begun need not be in it.
      const report = await verify(store, key, { ...options, saved });
      return {
        ...report,
        bytes: statSync(dump).size,
        backupMs: restoringMs - startedMs,
        restoreMs: clock.monotonic() - restoringMs,
        entriesBehind: behind(remembered, key, report),
      };
    } finally {
      await store.close();
    }
  } finally {
    await runTool(["dropdb", "--if-exists", scratch], environment);
  }
}

/** Throws unavailable with what the tool said. */
async function runTool(command: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  const child = Bun.spawn([...command], { env: environment, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) === 0) return;
  const said = stderr.trim().split("\n").slice(0, 3).join("; ");
  throw unavailable(`${command[0]} failed: ${said}`, {
    hint: "a drill needs the role to read all of the database, and the right to create one",
  });
}

async function ownKey(config: Config, outside: Outside): Promise<LogKey> {
  const store = await openStore(config, outside.clock);
  try {
    return (await findLogKey(config, store, outside)).key;
  } finally {
    await store.close();
  }
}

function rememberedBy(config: Config): readonly string[] {
  const path = checkpointPath(config);
  return existsSync(path) ? [path] : [];
}

function behind(remembered: readonly string[], key: LogKey, { log }: VerifyReport): number {
  const known = remembered.map((place) => readCheckpoint(place, key).checkpoint.size);
  return Math.max(0, ...known.map((size) => size - log.size));
}
