// The embedded store: one SQLite file, one queued writer, one read-only reader that never waits for it (WAL).
// Bun's own `new SQL("sqlite://")` is not used: it acknowledged writes that then vanished (docs/decisions.md).

import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import { StoreCounts } from "./counts.ts";
import { ScanThread } from "./scan-thread.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { isBusy, isOfSqlite, mapSqliteError } from "./sqlite-errors.ts";
import { sqliteTag, sqliteTransaction } from "./sqlite-tag.ts";
import { SqliteWriter } from "./sqlite-writer.ts";
import { type Inspection, type MigrationTx, type Sql, type Store, StoreError } from "./store.ts";
import { StoreFile } from "./store-file.ts";
import { ThreadedConnection } from "./threaded-connection.ts";
import { WalKeeper } from "./wal-keeper.ts";
import { openForWriting, type WriteConnection, type WriteOptions, walMoves } from "./write-connection.ts";

export interface SqliteOptions {
  readonly deadlineMs: number;
  readonly clock: Clock;
  /** Size past which the write-ahead log begins anew. */
  readonly walBytes?: number;
}

export async function openSqlite(path: string, options: SqliteOptions): Promise<Store> {
  const { deadlineMs, clock, walBytes = LIMITS.walBytes } = options;
  let isKeeperRunning = false;
  const optionsOf = (mustExist = true): WriteOptions => ({
    path,
    walBytes,
    movesWal: !isKeeperRunning,
    mustExist,
  });
  const connection = await openForWriting(optionsOf(false), clock);
  const file = new StoreFile(path, clock);
  /** One more connection to the file that is open: another in its place would share, and spoil, its write-ahead log. */
  const openAgain = async <T>(open: () => Promise<T>): Promise<T> => {
    if (file.check() !== undefined) throw unavailable(file.lost ?? "");
    return open();
  };
  const counts = new StoreCounts();
  const writer = new SqliteWriter(connection, () => openAgain(() => openForWriting(optionsOf(), clock)), {
    clock,
    counts,
  });
  const reader = new SqliteConnection(path, { readonly: true });
  reader.database.run(`pragma cache_size = -${LIMITS.sqliteCacheKiB}`);
  const sql = reader.tag();
  let isClosed = false;
  let keeper: WalKeeper | undefined;
  let scanThread: ScanThread | undefined;
  const scanSql = sqliteTag((text, values) => scanThread?.run(text, values) ?? reader.all(text, values));

  return {
    engine: "sqlite",
    place: path,
    deadlineMs,
    read: async (run) => run(sql),
    scan: async (run) => run(scanSql),
    begin: async (run, options) => {
      if (file.lost !== undefined) throw unavailable(file.lost);
      return writer.submit(run, { deadlineMs, ...options });
    },
    migrate: (run) => migrateFile(path, clock, run),
    notify: () => Promise.resolve(),
    listen: (onNotify) => Promise.resolve(watchFile(reader, clock, onNotify)),
    snapshot: (run) => withSnapshot(path, run),
    async startBackground() {
      file.watch();
      const scans = new ScanThread(path, deadlineMs, clock);
      keeper = new WalKeeper({
        path,
        clock,
        limitBytes: walBytes,
        pauseWriter: (pause) => writer.pause(pause),
        // Only where the thread runs may commits leave the write-ahead log to it: without anybody it would grow for ever.
        onRunning: (isRunning) => {
          isKeeperRunning = isRunning;
          if (!isClosed) void writer.run(walMoves(!isRunning));
        },
      });
      await Promise.all([keeper.start(), scans.start()]);
      scanThread = scans;
      await writer.addBulk(() => openAgain(() => ThreadedConnection.open(optionsOf(), clock)));
      // It may have begun or ended while the thread opened.
      await writer.run(walMoves(!isKeeperRunning));
    },
    load: () => ({ active: writer.isBusy ? 1 : 0, waiting: writer.waiting, size: 1 }),
    counts,
    inspect: () => inspectSqlite(writer.connection),
    replication: () => Promise.resolve(undefined),
    wal: () => keeper?.standing,
    lost: () => file.lost,
    async close() {
      if (isClosed) return;
      isClosed = true;
      file.close();
      keeper?.close();
      scanThread?.close();
      await writer.idle();
      reader.close();
      await tidyUp(writer.connection);
      await writer.close();
    },
  };
}

/** Calls when a commit has changed the file, of this process or another: SQLite counts them (pragma data_version). */
function watchFile(reader: SqliteConnection, clock: Clock, onCommit: () => void): { close: () => Promise<void> } {
  const statement = reader.database.query<{ data_version: number }, []>("pragma data_version");
  const read = () => {
    try {
      return statement.get()?.data_version;
    } catch {
      // Whoever looks then finds out what is wrong, and says so once.
      return undefined;
    }
  };
  let seen = read();
  const timer = clock.every(LIMITS.sqliteWatchMs, () => {
    const now = read();
    if (now !== seen) onCommit();
    seen = now;
  });
  timer.unref();
  return {
    close: () => {
      clock.cancel(timer);
      return Promise.resolve();
    },
  };
}

/**
 * Best effort: statistics and WAL are left as they are while another process works on the file, the disk is full, or may only
 * be read. All that was committed is in the WAL.
 */
async function tidyUp(connection: WriteConnection): Promise<void> {
  for (const statement of ["pragma optimize", "pragma wal_checkpoint(truncate)"]) {
    try {
      await connection.run(statement);
    } catch (error) {
      if (!isOfSqlite(error)) throw error;
    }
  }
}

/**
 * On a connection of its own with foreign keys off, as SQLite asks for where a table is made anew
 * (lang_altertable.html, section 7); before the commit every reference is checked.
 */
async function migrateFile<T>(path: string, clock: Clock, run: (tx: MigrationTx) => Promise<T>): Promise<T> {
  const connection = new SqliteConnection(path, { readonly: false });
  const { database } = connection;
  try {
    database.run("pragma foreign_keys = off");
    await beginImmediate(connection, clock, LIMITS.migrationMs);
    const script = async (text: string) => connection.script(text);
    const value = await run(Object.assign(sqliteTransaction(connection.inside), { script }));
    const broken = connection.all("pragma foreign_key_check", []);
    if (broken.length > 0) throw new StoreError("foreign_key", "", `a migration broke ${JSON.stringify(broken[0])}`);
    database.run("commit");
    return value;
  } finally {
    if (database.inTransaction) database.run("rollback");
    connection.close();
  }
}

async function beginImmediate({ database }: SqliteConnection, clock: Clock, deadlineMs: number): Promise<void> {
  const deadline = clock.monotonic() + deadlineMs;
  for (;;) {
    try {
      database.run("begin immediate");
      return;
    } catch (error) {
      if (!isBusy(error)) throw mapSqliteError(error);
      if (clock.monotonic() > deadline) throw unavailable("the embedded store is in use", { cause: error });
      await sleep(clock, LIMITS.sqliteBusyRetryMs);
    }
  }
}

async function withSnapshot<T>(path: string, run: (sql: Sql) => Promise<T>): Promise<T> {
  const connection = new SqliteConnection(path, { readonly: true });
  try {
    connection.database.run("begin");
    return await run(connection.tag());
  } finally {
    if (connection.database.inTransaction) connection.database.run("rollback");
    connection.close();
  }
}

/** Of the connection that writes: each has settings of its own. */
async function inspectSqlite(connection: WriteConnection): Promise<Inspection> {
  const ask = async (text: string) => {
    const [row] = (await connection.all(text, [])) as Record<string, string | number>[];
    return String(Object.values(row ?? {})[0] ?? "");
  };
  const version = await ask("select sqlite_version() as version");
  return {
    version: `SQLite ${version === "" ? "of an unknown version" : version}`,
    nowMs: undefined,
    isEncrypted: undefined,
    settings: { journal_mode: await ask("pragma journal_mode"), synchronous: await ask("pragma synchronous") },
  };
}
