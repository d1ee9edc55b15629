// The one writer of an embedded store: transactions queue here and those that wait together share one fsync (group commit).
// Each is a savepoint inside the group's BEGIN IMMEDIATE, so one that fails takes nothing of its neighbours with it.

import { AsyncLocalStorage } from "node:async_hooks";
import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isBusy, mapSqliteError, type SqliteConnection } from "./sqlite-connection.ts";
import type { MigrationTx, Query, SubjectTable } from "./store.ts";

interface Job {
  readonly run: (tx: MigrationTx) => Promise<unknown>;
  readonly deadline: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

export class SqliteWriter {
  readonly #connection: SqliteConnection;
  /** Transactions that wait, oldest first; at most LIMITS.sqliteQueuedWrites. Only drain() takes from it. */
  readonly #queue: Job[] = [];
  /** Marks code that runs inside a transaction, so that a nested one is refused instead of waiting for itself. */
  readonly #inside = new AsyncLocalStorage<{ isOpen: boolean }>();
  #draining: Promise<void> | undefined;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get isBusy(): boolean {
    return this.#draining !== undefined;
  }

  submit<T>(run: (tx: MigrationTx) => Promise<T>, deadlineMs: number): Promise<T> {
    if (this.#inside.getStore()?.isOpen)
      return Promise.reject(new TypeError("begin() inside begin(): use the transaction's own tag"));
    if (this.#queue.length >= LIMITS.sqliteQueuedWrites)
      return Promise.reject(unavailable("too many changes are waiting for the database"));
    return new Promise<T>((resolve, reject) => {
      const deadline = performance.now() + deadlineMs;
      this.#queue.push({ run, deadline, resolve: resolve as (value: unknown) => void, reject });
      // Deferred, so that every request read in this turn of the event loop joins the group: in a microtask the
      // first transaction would be committed alone before the second request is even parsed.
      this.#draining ??= new Promise<void>((done) => setImmediate(done)).then(() => this.#drain());
    });
  }

  async idle(): Promise<void> {
    while (this.#draining) await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      if (await this.#beginImmediate()) await this.#runGroup();
    }
    this.#draining = undefined;
  }

  /** False when another process held the lock until the oldest job's deadline; that job is then refused. */
  async #beginImmediate(): Promise<boolean> {
    for (;;) {
      try {
        this.#connection.database.run("begin immediate");
        return true;
      } catch (error) {
        const oldest = this.#queue[0];
        if (isBusy(error) && oldest && performance.now() < oldest.deadline) {
          await Bun.sleep(LIMITS.sqliteBusyRetryMs);
          continue;
        }
        this.#queue.shift()?.reject(unavailable("the database is unavailable", { cause: error }));
        return false;
      }
    }
  }

  async #runGroup(): Promise<void> {
    const { database } = this.#connection;
    const started = performance.now();
    const finished: { job: Job; value: unknown }[] = [];
    try {
      for (;;) {
        const job = this.#queue.shift();
        if (!job) break;
        await this.#runJob(job, finished);
        // Lets callers that this very result woke up join the group.
        if (this.#queue.length === 0) await Promise.resolve();
        if (finished.length >= LIMITS.sqliteGroupSize || performance.now() - started > LIMITS.sqliteGroupMs) break;
      }
      database.run("commit");
    } catch (error) {
      this.#abandon();
      const reason = unavailable("the change was not saved: the database could not write it", { cause: error });
      for (const { job } of finished) job.reject(reason);
      return;
    }
    for (const { job, value } of finished) job.resolve(value);
  }

  /** Throws only when the group itself is lost: SQLite rolled it back (disk full, I/O error), or cannot end a savepoint. */
  async #runJob(job: Job, finished: { job: Job; value: unknown }[]): Promise<void> {
    const { database } = this.#connection;
    const life = { isOpen: true };
    try {
      database.run("savepoint job");
      const value = await this.#inside.run(life, () => job.run(this.#tx(life)));
      database.run("release job");
      finished.push({ job, value });
    } catch (error) {
      const reason = mapSqliteError(error);
      const isGroupAlive = database.inTransaction;
      job.reject(
        isGroupAlive
          ? reason
          : unavailable("the change was not saved: the database could not write it", { cause: reason }),
      );
      if (!isGroupAlive) throw reason;
      database.run("rollback to job");
      database.run("release job");
    } finally {
      life.isOpen = false;
    }
  }

  /** Ends a group that cannot be committed, whatever state it is in: the next one must find a clean connection. */
  #abandon(): void {
    const { database } = this.#connection;
    if (!database.inTransaction) return;
    // A statement that is still stepping would refuse the rollback.
    this.#connection.finalizeStatements();
    database.run("rollback");
  }

  #tx(life: { isOpen: boolean }): MigrationTx {
    const connection = this.#connection;
    const tag = connection.tag(() => {
      if (!life.isOpen) throw new TypeError("a transaction's tag was used after the transaction ended");
    });
    return Object.assign(tag, {
      forUpdate: tag`` as Query<unknown>,
      nextId: (table: SubjectTable): Query<unknown> => NEXT_ID[table](tag),
      reserveIds: () => Promise.resolve(),
      script: async (text: string) => connection.script(text),
    });
  }
}

type Tag = ReturnType<SqliteConnection["tag"]>;

/** One past the largest id that a row or an event ever had: an id is not given again even where a row was removed. */
const NEXT_ID: Record<SubjectTable, (sql: Tag) => Query<unknown>> = {
  urls: (sql) => sql`(select 1 + max(
    coalesce((select max(id) from urls), 0),
    coalesce((select max(subject_id) from events where subject_type = 'url'), 0)))`,
  users: (sql) => sql`(select 1 + max(
    coalesce((select max(id) from users), 0),
    coalesce((select max(subject_id) from events where subject_type = 'user'), 0)))`,
  keys: (sql) => sql`(select 1 + max(
    coalesce((select max(id) from keys), 0),
    coalesce((select max(subject_id) from events where subject_type = 'key'), 0)))`,
};
