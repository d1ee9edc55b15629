// Backups of the embedded store: a copy that is verified, and a data directory made from one. Neither holds the log key.

import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readCheckpoint } from "../audit/checkpoint-memory.ts";
import type { Finding } from "../audit/finding.ts";
import { encodeLogKey, type LogKey } from "../audit/log-key.ts";
import { type VerifyReport, verify } from "../audit/verify.ts";
import { readWitnesses } from "../audit/witnesses.ts";
import type { Config } from "../config/settings.ts";
import { badRequest, conflict, messageOf } from "../errors.ts";
import type { Files } from "../runtime/files.ts";
import { type Outside, SYSTEM } from "../runtime/outside.ts";
import { randomName } from "../runtime/random.ts";
import { migrate } from "../store/migrate.ts";
import { openSqlite } from "../store/sqlite.ts";
import { copySqlite } from "../store/sqlite-backup.ts";
import type { Store } from "../store/store.ts";
import { checkpointPath } from "./audit.ts";
import { findLogKey, loadLogKey, logKeyPath } from "./log-key-file.ts";
import { embeddedPath, ensureDataDir, openStore, refuseMissingStore } from "./open-store.ts";

export interface Progress {
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress?: (events: number, total: number) => void;
}

export interface BackupReport extends VerifyReport {
  readonly file: string;
  readonly bytes: number;
}

/**
 * Copies the store, which may be served meanwhile, and verifies the copy. Throws bad_request on PostgreSQL, conflict where the
 * file exists. A copy of what is false is kept all the same: the report says so.
 */
export async function backUp(
  config: Config,
  file: string,
  progress: Progress,
  outside: Outside = SYSTEM,
): Promise<BackupReport> {
  refusePostgres(config, "backup");
  refuseMissingStore(config);
  if (existsSync(file)) throw conflict(`${file} exists already`, "a backup never replaces another: choose a new name");
  const { clock, files, randomBytes } = outside;
  const store = await openStore(config, clock);
  const key = await findKey(config, store, outside);
  const draft = `${file}.${randomName(randomBytes, 4)}`;
  try {
    copySqlite(store.place, draft);
    const report = await verifyFile(draft, key, outside, progress);
    placeNew(files, draft, file);
    return { ...report, file, bytes: statSync(file).size };
  } catch (error) {
    if (isFileError(error)) throw badRequest(`cannot write ${file}: ${messageOf(error)}`);
    throw error;
  } finally {
    removeStore(files, draft);
  }
}

async function findKey(config: Config, store: Store, outside: Outside): ReturnType<typeof findLogKey> {
  try {
    return await findLogKey(config, store, outside);
  } finally {
    await store.close();
  }
}

export interface RestoreOptions extends Progress {
  /** Files of checkpoints that were saved elsewhere. */
  readonly checkpoints: readonly string[];
  /** Goes back behind a newer checkpoint, and loses what came after the backup. */
  readonly mayRollBack: boolean;
}

export interface RestoreReport extends VerifyReport {
  readonly dataDir: string;
  /** The newest checkpoint that the backup lacks entries of, and how long the log was there. */
  readonly behind: { readonly place: string; readonly size: number } | undefined;
}

/**
 * Makes a data directory that has no store from a backup, and verifies it first: what is false is not put in place. Throws
 * conflict where there is a store or a newer checkpoint, bad_request where the log key is missing.
 */
export async function restoreBackup(
  config: Config,
  file: string,
  options: RestoreOptions,
  outside: Outside = SYSTEM,
): Promise<RestoreReport> {
  const { files, randomBytes } = outside;
  refusePostgres(config, "restore");
  if (!existsSync(file)) throw badRequest(`there is no backup ${file}`);
  ensureDataDir(config.dataDir);
  const target = embeddedPath(config);
  // A write-ahead log that a lost store has left behind would be played onto the one that is restored.
  const inTheWay = STORE_SUFFIXES.map((suffix) => target + suffix).find((path) => existsSync(path));
  if (inTheWay !== undefined)
    throw conflict(
      `${config.dataDir} has a store already, or what is left of one: ${inTheWay}`,
      "restore into another with --data-dir, or move that away",
    );
  // What a plain copy has beside it holds changes that are not in it.
  if (existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0)
    throw badRequest(`${file} is not whole: ${file}-wal stands beside it`, "make backups with: deadletter backup FILE");
  if (config.logKey === undefined && !existsSync(logKeyPath(config)))
    throw badRequest(
      "the log key is needed: no backup holds it",
      `set DEADLETTER_LOG_KEY_FILE to a copy of it, or put that at ${logKeyPath(config)}`,
    );
  const draft = `${target}.${randomName(randomBytes, 4)}`;
  try {
    files.copy(file, draft);
    const { key, size } = await prepare(config, draft, outside);
    const remembered = checkpointPath(config);
    const places = [...options.checkpoints, ...(existsSync(remembered) ? [remembered] : [])];
    const saved = places.map((place) => ({ place, checkpoint: readCheckpoint(place, key).checkpoint }));
    const newer = saved.filter(({ checkpoint }) => checkpoint.size > size);
    if (newer.length > 0 && !options.mayRollBack)
      throw conflict(
        `the backup has ${size} entries of the log, and ${newer[0]?.place} knows of ${newer[0]?.checkpoint.size}`,
        "the later ones would be lost: find a newer backup, or say --allow-rollback",
      );
    const report = await verifyFile(draft, { key, objection: undefined }, outside, {
      ...options,
      saved: saved.filter((each) => !newer.includes(each)),
    });
    if (!report.isTrue) return { ...report, dataDir: config.dataDir, behind: undefined };
    // Whatever was put there meanwhile stays.
    placeNew(files, draft, target);
    const newest = newer.toSorted((one, other) => other.checkpoint.size - one.checkpoint.size)[0];
    // What this host knows of is not forgotten: the log is refused until it is accepted that it went back.
    if (newest && newest.place !== remembered) files.replace(remembered, readFileSync(newest.place, "utf8"));
    // Links as they were known at another time.
    files.removeIfThere(join(config.dataDir, "warm-links"));
    if (!existsSync(logKeyPath(config))) files.create(logKeyPath(config), `${encodeLogKey(key)}\n`);
    return {
      ...report,
      dataDir: config.dataDir,
      behind: newest && { place: newest.place, size: newest.checkpoint.size },
    };
  } catch (error) {
    if (isFileError(error)) throw badRequest(`cannot restore ${file}: ${messageOf(error)}`);
    throw error;
  } finally {
    removeStore(files, draft);
  }
}

/** Brings an older schema up to date; the log key, judged, and the log's size. */
async function prepare(config: Config, draft: string, outside: Outside): Promise<{ key: LogKey; size: number }> {
  const { clock } = outside;
  const store = await openSqlite(draft, { deadlineMs: config.databaseDeadlineMs, clock });
  try {
    await migrate(store, { nowMs: clock.now() });
    const key = await loadLogKey(config, store, outside);
    return { key, size: (await readWitnesses(store)).size };
  } finally {
    await store.close();
  }
}

async function verifyFile(
  path: string,
  { key, objection }: { readonly key: LogKey; readonly objection: string | undefined },
  { clock }: Outside,
  options: Parameters<typeof verify>[2],
): Promise<VerifyReport> {
  const store = await openSqlite(path, { deadlineMs: 0, clock });
  try {
    return await verify(store, key, { ...options, objection });
  } finally {
    await store.close();
  }
}

/** Where there is nothing yet. Throws conflict where there is something. */
function placeNew(files: Files, draft: string, path: string): void {
  try {
    files.link(draft, path);
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") throw conflict(`${path} exists already`);
    throw error;
  }
}

const STORE_SUFFIXES = ["", "-wal", "-shm", "-journal"];

function removeStore(files: Files, path: string): void {
  for (const suffix of STORE_SUFFIXES) files.removeIfThere(path + suffix);
}

function isFileError(error: unknown): boolean {
  return typeof (error as { syscall?: unknown }).syscall === "string";
}

function refusePostgres({ databaseUrl }: Config, command: "backup" | "restore"): void {
  if (databaseUrl === undefined) return;
  const way =
    command === "backup"
      ? 'pg_dump --format=custom --file=deadletter.dump "$DATABASE_URL", or pg_basebackup and archived WAL for any moment'
      : 'pg_restore --clean --if-exists --dbname="$DATABASE_URL" deadletter.dump, then deadletter verify';
  throw badRequest(
    `${command} is for the embedded store: PostgreSQL has its own tools`,
    `${way}; keep the log key apart`,
  );
}
