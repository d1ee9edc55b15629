// The embedded store: one SQLite file, one queued writer, one read-only reader that never waits for it (WAL).
// Bun's own `new SQL("sqlite://")` is not used: it acknowledged writes that then vanished (docs/decisions.md).

import { SQLiteError } from "bun:sqlite";
import { chmodSync } from "node:fs";
import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import { StoreCounts } from "./counts.ts";
import { ScanThread } from "./scan-thread.ts";
import { isBusy, mapSqliteError, SqliteConnection, sqliteTag } from "./sqlite-connection.ts";
import { SqliteWriter } from "./sqlite-writer.ts";
import { type Inspection, type MigrationTx, type Sql, type Store, StoreError } from "./store.ts";
import { StoreFile } from "./store-file.ts";
import { WalKeeper } from "./wal-keeper.ts";

/** Older versions can corrupt a database whose WAL is reset at the wrong moment (sqlite.org/wal.html#walresetbug). */
const OLDEST_SQLITE = [3, 51, 3] as const;
const OPEN_TRIES = 100;

export interface SqliteOptions {
  readonly deadlineMs: number;
  readonly clock: Clock;
  /** Size past which the write-ahead log begins anew. */
  readonly walBytes?: number;
}

export async function openSqlite(path: string, options: SqliteOptions): Promise<Store> {
  const { deadlineMs, clock, walBytes = LIMITS.walBytes } = options;
  const connection = await openWriter(path, { synchronous: "full", walBytes, clock });
  const file = new StoreFile(path, clock);
  /** One more connection to the file that is open: another in its place would share, and spoil, its write-ahead log. */
  const openAgain = (synchronous: "full" | "normal") => {
    if (file.check() !== undefined) throw unavailable(file.lost ?? "");
    return openWriter(path, { synchronous, walBytes, clock, mustExist: true });
  };
  const counts = new StoreCounts();
  const writer = new SqliteWriter(connection, async () => openAgain("full"), { clock, counts });
  // Its commits do not wait for the disk. Opened by its first transaction.
  let relaxed: Promise<SqliteWriter> | undefined;
  let isKeeperRunning = false;
  const openRelaxed = async () => {
    const opened = await openAgain("normal");
    if (isKeeperRunning) opened.database.run("pragma wal_autocheckpoint = 0");
    return new SqliteWriter(opened, async () => openAgain("normal"), { clock, counts: new StoreCounts() });
  };
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
    begin: async (run, { deadlineMs: ownDeadlineMs = deadlineMs, isRelaxed = false } = {}) => {
      if (file.lost !== undefined) throw unavailable(file.lost);
      if (!isRelaxed) return writer.submit(run, ownDeadlineMs);
      relaxed ??= openRelaxed().catch((error: unknown) => {
        // What kept it from opening may pass.
        relaxed = undefined;
        throw error;
      });
      return (await relaxed).submit(run, ownDeadlineMs);
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
          if (!isClosed) writer.connection.database.run(`pragma wal_autocheckpoint = ${isRunning ? 0 : 1000}`);
        },
      });
      await Promise.all([keeper.start(), scans.start()]);
      scanThread = scans;
    },
    load: () => ({ active: writer.isBusy ? 1 : 0, waiting: writer.waiting, size: 1 }),
    counts,
    inspect: () => Promise.resolve(inspectSqlite(writer.connection)),
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
      const relaxedWriter = await relaxed?.catch(() => undefined);
      await relaxedWriter?.idle();
      relaxedWriter?.connection.close();
      reader.close();
      tidyUp(writer.connection);
      writer.connection.close();
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
function tidyUp({ database }: SqliteConnection): void {
  for (const statement of ["pragma optimize", "pragma wal_checkpoint(truncate)"]) {
    try {
      database.run(statement);
    } catch (error) {
      if (!(error instanceof SQLiteError)) throw error;
    }
  }
}

/** Processes that start at once race to create the file and switch it to WAL; losing that race is waited out, not an error. */
async function openWriter(
  path: string,
  options: {
    readonly synchronous: "full" | "normal";
    readonly walBytes: number;
    readonly clock: Clock;
    readonly mustExist?: boolean;
  },
): Promise<SqliteConnection> {
  const { synchronous, walBytes, clock, mustExist = false } = options;
  for (let attempt = 1; ; attempt++) {
    let connection: SqliteConnection | undefined;
    try {
      connection = new SqliteConnection(path, { readonly: false, mustExist });
      assertVersion(connection);
      connection.database.run("pragma journal_mode = wal");
      connection.database.run(`pragma synchronous = ${synchronous}`);
      // After a reader has held it up: the file gives back what it needs no more.
      connection.database.run(`pragma journal_size_limit = ${walBytes}`);
      chmodSync(path, 0o600);
      // From here on the writer waits for other processes by itself, without blocking this one.
      connection.database.run("pragma busy_timeout = 0");
      return connection;
    } catch (error) {
      connection?.close();
      if (!isBusy(error) || attempt === OPEN_TRIES)
        throw unavailable(`cannot open the embedded store ${path}`, { cause: error });
      await sleep(clock, attempt);
    }
  }
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
    const value = await run(connection.transaction());
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
function inspectSqlite({ database }: SqliteConnection): Inspection {
  const [row] = database.query<{ version: string }, []>("select sqlite_version() as version").all();
  const setting = (name: string) =>
    String(Object.values(database.query<Record<string, string | number>, []>(`pragma ${name}`).get() ?? {})[0] ?? "");
  return {
    version: `SQLite ${row?.version ?? "of an unknown version"}`,
    nowMs: undefined,
    isEncrypted: undefined,
    settings: { journal_mode: setting("journal_mode"), synchronous: setting("synchronous") },
  };
}
