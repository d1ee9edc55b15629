// The one writer of an embedded store: transactions queue here and those that wait together share one fsync (group commit).
// Each but the first is a savepoint inside the group's BEGIN IMMEDIATE, so one that fails takes nothing of its neighbours with it.
// Every transaction is settled: after its group's commit, with its group's failure, or at its deadline.

import { AsyncLocalStorage } from "node:async_hooks";
import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { StoreCounts } from "./counts.ts";
import { isBusy, mapSqliteError, type SqliteConnection } from "./sqlite-connection.ts";
import type { MigrationTx } from "./store.ts";

interface Job {
  readonly run: (tx: MigrationTx) => Promise<unknown>;
  readonly sinceMs: number;
  /** By the clock's monotonic(), when the caller no longer waits. */
  readonly deadline: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

const LATE = "the database did not answer in time";
const NOT_SAVED = "the change was not saved: the database could not write it";

export class SqliteWriter {
  #connection: SqliteConnection;
  readonly #reopen: () => Promise<SqliteConnection>;
  readonly #clock: Clock;
  readonly #counts: StoreCounts;
  /** Transactions that wait, oldest first; at most LIMITS.sqliteQueuedWrites. Only #drain() takes from it. */
  readonly #queue: Job[] = [];
  /** Marks code that runs inside a transaction, so that a nested one is refused instead of waiting for itself. */
  readonly #inside = new AsyncLocalStorage<{ isOpen: boolean }>();
  #draining: Promise<void> | undefined;
  /** What is to run between two groups. */
  #pauses: (() => Promise<void>)[] = [];
  /** The connection must be replaced before it is used again. */
  #isBroken = false;

  /** `reopen` replaces a connection that can no longer be brought to a clean state. */
  constructor(
    connection: SqliteConnection,
    reopen: () => Promise<SqliteConnection>,
    { clock, counts }: { readonly clock: Clock; readonly counts: StoreCounts },
  ) {
    this.#connection = connection;
    this.#clock = clock;
    this.#counts = counts;
    this.#reopen = reopen;
  }

  get connection(): SqliteConnection {
    return this.#connection;
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
      const sinceMs = this.#clock.monotonic();
      const deadline = sinceMs + deadlineMs;
      this.#queue.push({ run, sinceMs, deadline, resolve: resolve as (value: unknown) => void, reject });
      // Deferred, so that every request read in this turn of the event loop joins the group: in a microtask the
      // first transaction would be committed alone before the second request is even parsed.
      this.#draining ??= new Promise<void>((done) => this.#clock.soon(done)).then(() => this.#drain());
    });
  }

  /** Runs `pause` as soon as no group is under way; those that come meanwhile wait for it. It must not throw. */
  pause(pause: () => Promise<void>): void {
    this.#pauses.push(pause);
    this.#draining ??= this.#drain();
  }

  async idle(): Promise<void> {
    while (this.#draining) await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#pauses.length > 0) {
      for (const pause of this.#pauses.splice(0)) await pause();
      if (this.#queue.length === 0) continue;
      try {
        if (await this.#beginImmediate()) await this.#runGroup();
      } catch (error) {
        // Nothing is known of the connection any more: those who wait are told so, and the next find a new one.
        this.#isBroken = true;
        for (const job of this.#queue.splice(0))
          job.reject(unavailable("the database is unavailable", { cause: error }));
      }
    }
    this.#draining = undefined;
  }

  /** False if another process held the lock until all waiters had timed out. Never blocks the event loop. */
  async #beginImmediate(): Promise<boolean> {
    if (this.#isBroken) await this.#replaceConnection();
    while (this.#queue.length > 0) {
      try {
        this.#connection.database.run("begin immediate");
        return true;
      } catch (error) {
        if (!isBusy(error)) throw error;
        this.#rejectLate(error);
        await sleep(this.#clock, LIMITS.sqliteBusyRetryMs);
      }
    }
    return false;
  }

  async #runGroup(): Promise<void> {
    const started = this.#clock.monotonic();
    const group: Job[] = [];
    /** What each is told once the group is committed; until then even a refusal may rest on what is not there. */
    const outcomes: (() => void)[] = [];
    try {
      for (;;) {
        const job = this.#queue.shift();
        if (!job) break;
        const nowMs = this.#clock.monotonic();
        if (job.deadline <= nowMs) {
          this.#counts.deadlines += 1;
          job.reject(unavailable(LATE));
          continue;
        }
        this.#counts.waitSeconds.observe((nowMs - job.sinceMs) / 1000);
        group.push(job);
        outcomes.push(await this.#runJob(job, group.length === 1));
        // The first one failed, and its rollback ended the transaction: the rest begin another.
        if (!this.#connection.database.inTransaction) break;
        // Lets callers that this very result woke up join the group.
        if (this.#queue.length === 0) await Promise.resolve();
        if (group.length >= LIMITS.sqliteGroupSize || this.#clock.monotonic() - started > LIMITS.sqliteGroupMs) break;
      }
      if (this.#connection.database.inTransaction) this.#commit();
    } catch (error) {
      for (const job of group) job.reject(unavailable(NOT_SAVED, { cause: mapSqliteError(error) }));
      await this.#abandon();
      return;
    }
    for (const tell of outcomes) tell();
  }

  #commit(): void {
    const startedMs = this.#clock.monotonic();
    this.#connection.database.run("commit");
    this.#counts.commitSeconds.observe((this.#clock.monotonic() - startedMs) / 1000);
  }

  /** Throws only when the group itself is lost: SQLite rolled it back (disk full, I/O error), or cannot end a savepoint. */
  async #runJob(job: Job, isFirst: boolean): Promise<() => void> {
    const { database } = this.#connection;
    const life = { isOpen: true };
    // Before the first there is nothing that its failure could take with it.
    if (!isFirst) database.run("savepoint job");
    try {
      const work = this.#inside.run(life, () =>
        job.run(
          this.#connection.transaction(() => {
            if (!life.isOpen) throw new TypeError("a transaction's tag was used after the transaction ended");
          }),
        ),
      );
      const value = await withDeadline(this.#clock, work, {
        ms: job.deadline - this.#clock.monotonic(),
        late: () => {
          this.#counts.deadlines += 1;
          return unavailable(LATE);
        },
      });
      if (!isFirst) database.run("release job");
      return () => job.resolve(value);
    } catch (error) {
      if (!database.inTransaction) throw error;
      if (isFirst) database.run("rollback");
      else {
        database.run("rollback to job");
        database.run("release job");
      }
      return () => job.reject(mapSqliteError(error));
    } finally {
      life.isOpen = false;
    }
  }

  /** Ends a group that cannot be committed, whatever state it is in: the next one must find a clean connection. */
  async #abandon(): Promise<void> {
    const { database } = this.#connection;
    if (!database.inTransaction) return;
    try {
      // A statement that is still stepping would refuse the rollback.
      this.#connection.finalizeStatements();
      database.run("rollback");
    } catch {
      this.#isBroken = true;
    }
  }

  async #replaceConnection(): Promise<void> {
    try {
      this.#connection.close();
    } catch {
      // It was closed already, or cannot even be: either way it is not used again.
    }
    this.#connection = await this.#reopen();
    this.#isBroken = false;
  }

  /** Tells those whose deadline has passed while they waited, so that nothing is done for them any more. */
  #rejectLate(cause: unknown): void {
    const now = this.#clock.monotonic();
    const late = this.#queue.filter((job) => job.deadline <= now);
    if (late.length === 0) return;
    this.#queue.splice(0, this.#queue.length, ...this.#queue.filter((job) => job.deadline > now));
    this.#counts.deadlines += late.length;
    for (const job of late) job.reject(unavailable(LATE, { cause }));
  }
}
