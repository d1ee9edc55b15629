// The embedded store: one SQLite file, one queued writer, one read-only reader that never waits for it (WAL).
// Bun's own `new SQL("sqlite://")` is not used: it acknowledged writes that then vanished (docs/decisions.md).

import { chmodSync } from "node:fs";
import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { threadUrl } from "../program.ts";
import { isBusy, mapSqliteError, SqliteConnection } from "./sqlite-connection.ts";
import { SqliteWriter } from "./sqlite-writer.ts";
import { type MigrationTx, type Sql, type Store, StoreError } from "./store.ts";

/** Older versions can corrupt a database whose WAL is reset at the wrong moment (sqlite.org/wal.html#walresetbug). */
const OLDEST_SQLITE = [3, 51, 3] as const;
const OPEN_TRIES = 100;

export async function openSqlite(path: string, options: { readonly deadlineMs: number }): Promise<Store> {
  const connection = await openWriter(path, "full");
  const writer = new SqliteWriter(connection, () => openWriter(path, "full"));
  // Its commits wait for no disk, and so hold nobody up. It opens with its first transaction.
  let relaxed: Promise<SqliteWriter> | undefined;
  const openRelaxed = async () => new SqliteWriter(await openWriter(path, "normal"), () => openWriter(path, "normal"));
  const reader = new SqliteConnection(path, { readonly: true });
  reader.database.run(`pragma cache_size = -${LIMITS.sqliteCacheKiB}`);
  const sql = reader.tag();
  let isClosed = false;
  let walThread: Worker | undefined;
  /** Only where the thread runs may commits leave the write-ahead log to it: without anybody it would grow for ever. */
  const checkpointEvery = (pages: 0 | 1000) => {
    if (!isClosed) writer.connection.database.run(`pragma wal_autocheckpoint = ${pages}`);
  };

  return {
    engine: "sqlite",
    place: path,
    read: async (run) => run(sql),
    begin: async (run, { deadlineMs = options.deadlineMs, isRelaxed = false } = {}) => {
      if (!isRelaxed) return writer.submit(run, deadlineMs);
      relaxed ??= openRelaxed();
      return (await relaxed).submit(run, deadlineMs);
    },
    migrate: (run) => migrateFile(path, run),
    notify: () => Promise.resolve(),
    listen: (onNotify) => Promise.resolve(watchFile(reader, onNotify)),
    snapshot: (run) => withSnapshot(path, run),
    startBackground() {
      walThread = new Worker(threadUrl("store/wal-thread"), { ref: false });
      walThread.onmessage = () => checkpointEvery(0);
      walThread.onerror = () => checkpointEvery(1000);
      walThread.postMessage(path);
    },
    load: () => ({ active: writer.isBusy ? 1 : 0, waiting: writer.waiting, size: 1 }),
    async close() {
      if (isClosed) return;
      isClosed = true;
      walThread?.terminate();
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
function watchFile(reader: SqliteConnection, onCommit: () => void): { close: () => Promise<void> } {
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
  const timer = setInterval(() => {
    const now = read();
    if (now !== seen) onCommit();
    seen = now;
  }, LIMITS.sqliteWatchMs);
  timer.unref();
  return {
    close: () => {
      clearInterval(timer);
      return Promise.resolve();
    },
  };
}

/** Best effort: while another process works on the file, the statistics and the WAL are left to it. */
function tidyUp({ database }: SqliteConnection): void {
  try {
    database.run("pragma optimize");
    database.run("pragma wal_checkpoint(truncate)");
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
}

/** Processes that start at once race to create the file and switch it to WAL; losing that race is waited out, not an error. */
async function openWriter(path: string, synchronous: "full" | "normal"): Promise<SqliteConnection> {
  for (let attempt = 1; ; attempt++) {
    let connection: SqliteConnection | undefined;
    try {
      connection = new SqliteConnection(path, { readonly: false });
      assertVersion(connection);
      connection.database.run("pragma journal_mode = wal");
      connection.database.run(`pragma synchronous = ${synchronous}`);
      chmodSync(path, 0o600);
      // From here on the writer waits for other processes by itself, without blocking this one.
      connection.database.run("pragma busy_timeout = 0");
      return connection;
    } catch (error) {
      connection?.close();
      if (!isBusy(error) || attempt === OPEN_TRIES)
        throw unavailable(`cannot open the embedded store ${path}`, { cause: error });
      await Bun.sleep(attempt);
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
async function migrateFile<T>(path: string, run: (tx: MigrationTx) => Promise<T>): Promise<T> {
  const connection = new SqliteConnection(path, { readonly: false });
  const { database } = connection;
  try {
    database.run("pragma foreign_keys = off");
    await beginImmediate(connection, LIMITS.migrationMs);
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

async function beginImmediate({ database }: SqliteConnection, deadlineMs: number): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    try {
      database.run("begin immediate");
      return;
    } catch (error) {
      if (!isBusy(error)) throw mapSqliteError(error);
      if (performance.now() > deadline) throw unavailable("the embedded store is in use", { cause: error });
      await Bun.sleep(LIMITS.sqliteBusyRetryMs);
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
