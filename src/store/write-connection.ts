// The connection through which an embedded store is written: how it is opened, and what the writer wants of it, in whichever thread
// it is.

import { chmodSync } from "node:fs";
import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { isBusy } from "./sqlite-errors.ts";
import type { StatementRunner } from "./sqlite-tag.ts";
import type { Value } from "./store.ts";

/** Older versions can corrupt a database whose WAL is reset at the wrong moment (sqlite.org/wal.html#walresetbug). */
const OLDEST_SQLITE = [3, 51, 3] as const;
const OPEN_TRIES = 100;

/** What is given to it is done in that order, also where nobody has waited for what was before. */
export interface WriteConnection {
  /** Whether what is given to it is done later: what is given in one turn goes there together. */
  readonly isThreaded: boolean;
  /** Whether it is of no use any more: its thread is gone. */
  readonly hasEnded: boolean;
  /** Runs what is a part of a transaction, and refuses to where none is open. */
  readonly inside: StatementRunner;
  /** Whether a transaction was open once the last statement had run. */
  readonly inTransaction: boolean;
  /** Whether a transaction is open or not. */
  all(text: string, values: readonly Value[]): unknown[] | Promise<unknown[]>;
  /** One without a result, with SQLite's own error. */
  run(text: string): void | Promise<void>;
  /** Ends a transaction whatever state it is in. Throws where it cannot. */
  abandon(): void | Promise<void>;
  close(): void | Promise<void>;
}

export interface WriteOptions {
  readonly path: string;
  /** To which the write-ahead log is cut once it has begun anew. */
  readonly walBytes: number;
  /** Whether commits move the write-ahead log into the file, where nobody else does. */
  readonly movesWal: boolean;
  readonly mustExist: boolean;
}

/** Whether commits wait for the disk (pragma synchronous). */
const [DURABLE, RELAXED] = ["pragma synchronous = full", "pragma synchronous = normal"];

/** A connection to write through, and what opens another in its place. */
export class WriteLine {
  connection: WriteConnection;
  readonly reopen: () => Promise<WriteConnection>;
  /** The connection must be replaced before it is used again. */
  isBroken = false;

  constructor(connection: WriteConnection, reopen: () => Promise<WriteConnection>) {
    this.connection = connection;
    this.reopen = reopen;
  }

  async close(): Promise<void> {
    try {
      await this.connection.close();
    } catch {
      // It was closed already, or cannot even be: either way it is not used again.
    }
  }

  /** Runs transactions whose commits do not wait for the disk. Throws where those after it might not either: it must not be used again. */
  async relax(run: () => Promise<void>): Promise<void> {
    await this.connection.run(RELAXED);
    try {
      await run();
    } finally {
      await this.connection.run(DURABLE);
    }
  }

  async replace(): Promise<void> {
    await this.close();
    this.connection = await this.reopen();
    this.isBroken = false;
  }

  /** Ends a group that cannot be committed, whatever state it is in: the next one must find a clean connection. */
  async abandon(): Promise<void> {
    try {
      await this.connection.abandon();
    } catch {
      this.isBroken = true;
    }
  }
}

/** Processes that start at once race to create the file and switch it to WAL; losing that race is waited out, not an error. */
export async function openForWriting(
  { path, walBytes, movesWal, mustExist }: WriteOptions,
  clock: Clock,
): Promise<SqliteConnection> {
  for (let attempt = 1; ; attempt++) {
    let connection: SqliteConnection | undefined;
    try {
      connection = new SqliteConnection(path, { readonly: false, mustExist });
      assertVersion(connection);
      connection.run("pragma journal_mode = wal");
      connection.run(DURABLE);
      // After a reader has held it up: the file gives back what it needs no more.
      connection.run(`pragma journal_size_limit = ${walBytes}`);
      connection.run(walMoves(movesWal));
      // A page of an index that does not fit would be read again for nearly each change.
      connection.run(`pragma cache_size = -${LIMITS.sqliteWriteCacheKiB}`);
      chmodSync(path, 0o600);
      // From here on the writer waits for other processes by itself, without blocking its thread.
      connection.run("pragma busy_timeout = 0");
      return connection;
    } catch (error) {
      connection?.close();
      if (!isBusy(error) || attempt === OPEN_TRIES)
        throw unavailable(`cannot open the embedded store ${path}`, { cause: error });
      await sleep(clock, attempt);
    }
  }
}

/** Whether commits move the write-ahead log into the file (pragma wal_autocheckpoint, in pages). */
export function walMoves(movesWal: boolean): string {
  return `pragma wal_autocheckpoint = ${movesWal ? 1000 : 0}`;
}

function assertVersion(connection: SqliteConnection): void {
  const [row] = connection.all("select sqlite_version() as version", []) as { version: string }[];
  const found = (row?.version ?? "0").split(".").map(Number);
  for (const [index, least] of OLDEST_SQLITE.entries()) {
    const part = found[index] ?? 0;
    if (part > least) return;
    if (part < least)
      throw new Error(`SQLite ${row?.version} is too old: ${OLDEST_SQLITE.join(".")} or later is needed`);
  }
}
