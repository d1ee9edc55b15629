// The one writer of an embedded store: transactions queue here and those that wait together share one fsync (group commit).
// Each but the first is a savepoint inside the group's BEGIN IMMEDIATE, so one that fails takes nothing of its neighbours with it.
// Every transaction is settled: after its group's commit, with its group's failure, or at its deadline.

import { AsyncLocalStorage } from "node:async_hooks";
import { DeadletterError, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type Clock, sleep, turn } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { StoreCounts } from "./counts.ts";
import { isBusy, mapSqliteError } from "./sqlite-errors.ts";
import { sqliteTransaction } from "./sqlite-tag.ts";
import { type BeginOptions, type Tx, UNKNOWN_OUTCOME } from "./store.ts";
import { type WriteConnection, WriteLine } from "./write-connection.ts";

interface Job {
  readonly run: (tx: Tx) => Promise<unknown>;
  readonly line: WriteLine;
  /** Whether it may be lost where the machine fails (BeginOptions). */
  readonly isRelaxed: boolean;
  readonly sinceMs: number;
  /** By the clock's monotonic(), when the caller no longer waits. */
  readonly deadline: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

const LATE = "the database did not answer in time";
const NOT_SAVED = "the change was not saved: the database could not write it";

export class SqliteWriter {
  readonly #line: WriteLine;
  /** In a thread, for what is so much that nobody else should wait for it; undefined where there is none. */
  #bulkLine: WriteLine | undefined;
  readonly #clock: Clock;
  readonly #counts: StoreCounts;
  /** Transactions that wait, oldest first; at most LIMITS.sqliteQueuedWrites. Only #drain() takes from it. */
  readonly #queue: Job[] = [];
  /** Marks code that runs inside a transaction, so that a nested one is refused instead of waiting for itself. */
  readonly #inside = new AsyncLocalStorage<{ isOpen: boolean }>();
  #draining: Promise<void> | undefined;
  /** Of the group that is under way, who was not refused. */
  readonly #running = new Set<Job>();
  /** Whether one of them was told that it is late: then nothing of the group may be saved. */
  #isDoomed = false;
  /** Whose COMMIT is under way. */
  #committing: readonly Job[] = [];
  #isClosed = false;
  /** What is to run between two groups. */
  #pauses: (() => Promise<void>)[] = [];

  /** `reopen` replaces a connection that can no longer be brought to a clean state. */
  constructor(
    connection: WriteConnection,
    reopen: () => Promise<WriteConnection>,
    { clock, counts }: { readonly clock: Clock; readonly counts: StoreCounts },
  ) {
    this.#line = new WriteLine(connection, reopen);
    this.#clock = clock;
    this.#counts = counts;
  }

  get connection(): WriteConnection {
    return this.#line.connection;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get isBusy(): boolean {
    return this.#draining !== undefined;
  }

  submit<T>(
    run: (tx: Tx) => Promise<T>,
    { deadlineMs, isRelaxed = false, isBulk = false }: BeginOptions & { readonly deadlineMs: number },
  ): Promise<T> {
    if (this.#inside.getStore()?.isOpen)
      return Promise.reject(new TypeError("begin() inside begin(): use the transaction's own tag"));
    if (this.#queue.length >= LIMITS.sqliteQueuedWrites)
      return Promise.reject(unavailable("too many changes are waiting for the database"));
    return new Promise<T>((resolve, reject) => {
      const sinceMs = this.#clock.monotonic();
      const deadline = sinceMs + deadlineMs;
      const line = (isBulk ? this.#bulkLine : undefined) ?? this.#line;
      const settle = { resolve: resolve as (value: unknown) => void, reject };
      this.#queue.push({ run, line, isRelaxed, sinceMs, deadline, ...settle });
      // Deferred, so that every request read in this turn of the event loop joins the group: in a microtask the
      // first transaction would be committed alone before the second request is even parsed.
      this.#draining ??= turn(this.#clock).then(() => this.#drain());
    });
  }

  /** What is called bulk goes through a connection of its own from now on. Throws what `open` throws. */
  async addBulk(open: () => Promise<WriteConnection>): Promise<void> {
    const line = new WriteLine(await open(), open);
    if (this.#isClosed) await line.close();
    else this.#bulkLine = line;
  }

  /** Runs `pause` as soon as no group is under way; those that come meanwhile wait for it. It must not throw. */
  pause(pause: () => Promise<void>): void {
    this.#pauses.push(pause);
    this.#draining ??= this.#drain();
  }

  /** A setting of every connection there is now. */
  async run(text: string): Promise<void> {
    for (const line of [this.#line, this.#bulkLine]) {
      try {
        await line?.connection.run(text);
      } catch {
        // It is of no use any more: the next group opens another.
      }
    }
  }

  async idle(): Promise<void> {
    while (this.#draining) await this.#draining;
  }

  /** Once nobody writes any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#bulkLine?.close();
    await this.#line.close();
  }

  async #drain(): Promise<void> {
    const watch = this.#clock.every(LIMITS.sqliteLateMs, () => this.#rejectLate());
    while (this.#queue.length > 0 || this.#pauses.length > 0) {
      for (const pause of this.#pauses.splice(0)) await pause();
      if (this.#queue.length === 0) continue;
      const { line, isRelaxed } = this.#queue[0] as Job;
      try {
        if (line.isBroken || line.connection.hasEnded) await line.replace();
        await (isRelaxed ? line.relax(() => this.#runGroup(line, true)) : this.#runGroup(line));
      } catch (error) {
        // Nothing is known of the connection any more: those who wait are told so, and the next find a new one.
        line.isBroken = true;
        const waiting = this.#queue.splice(0);
        this.#queue.push(...waiting.filter((job) => job.line !== line));
        for (const job of waiting)
          if (job.line === line) job.reject(unavailable("the database is unavailable", { cause: error }));
      }
    }
    this.#clock.cancel(watch);
    this.#draining = undefined;
  }

  /** What it failed with. Where it is done in a thread it goes there together with what comes next. */
  async #begin({ connection }: WriteLine): Promise<unknown> {
    try {
      await connection.run("begin immediate");
      return undefined;
    } catch (error) {
      return error;
    }
  }

  /** Throws where the connection is of no use. Another process's lock is waited for without blocking the event loop. */
  async #runGroup(line: WriteLine, isRelaxed = false): Promise<void> {
    const { connection } = line;
    const started = this.#clock.monotonic();
    const beginning = this.#begin(line);
    const group: Job[] = [];
    /** What each is told once the group is committed; until then even a refusal may rest on what is not there. */
    const outcomes: (() => void)[] = [];
    try {
      if (!connection.isThreaded) await throwFailure(beginning);
      for (;;) {
        const job = this.#takeJob(line, isRelaxed);
        if (!job) break;
        group.push(job);
        this.#running.add(job);
        outcomes.push(await this.#runJob(job, group.length === 1 ? beginning : undefined));
        // The first one failed, and its rollback ended the transaction: the rest begin another.
        if (!connection.inTransaction) break;
        // Lets callers that this very result woke up join the group.
        if (this.#queue.length === 0) await Promise.resolve();
        if (group.length >= LIMITS.sqliteGroupSize || this.#clock.monotonic() - started > LIMITS.sqliteGroupMs) break;
      }
      await throwFailure(beginning);
      if (this.#isDoomed) throw new Error(LATE);
      if (connection.inTransaction) await this.#commit(group, line);
    } catch (error) {
      const failure = await beginning;
      if (failure !== undefined) return this.#waitForLock(group, failure);
      // The connection's own is of a thread that has ended.
      const isUnknown = error instanceof DeadletterError && this.#committing.length > 0;
      const refusal = unavailable(isUnknown ? UNKNOWN_OUTCOME : NOT_SAVED, { cause: mapSqliteError(error) });
      for (const job of group) job.reject(refusal);
      await line.abandon();
      return;
    } finally {
      this.#committing = [];
      this.#running.clear();
      this.#isDoomed = false;
    }
    for (const tell of outcomes) tell();
  }

  /** Another process holds the lock: those of the group wait again. Throws what is no such failure. */
  async #waitForLock(group: readonly Job[], failure: unknown): Promise<void> {
    this.#queue.unshift(...group);
    if (!isBusy(failure)) throw failure;
    this.#rejectLate(failure);
    await sleep(this.#clock, LIMITS.sqliteBusyRetryMs);
  }

  /** The oldest that may still be done, where that goes the same way; with those that are relaxed none that is not. */
  #takeJob(line: WriteLine, isRelaxed: boolean): Job | undefined {
    for (;;) {
      const [next] = this.#queue;
      if (next?.line !== line || (isRelaxed && !next.isRelaxed)) return undefined;
      const job = this.#queue.shift();
      const nowMs = this.#clock.monotonic();
      if (!job) return undefined;
      if (job.deadline > nowMs) {
        this.#counts.waitSeconds.observe((nowMs - job.sinceMs) / 1000);
        return job;
      }
      this.#counts.deadlines += 1;
      job.reject(unavailable(LATE));
    }
  }

  async #commit(group: readonly Job[], { connection }: WriteLine): Promise<void> {
    const startedMs = this.#clock.monotonic();
    this.#committing = group;
    await connection.run("commit");
    if (group.some(({ isRelaxed }) => !isRelaxed))
      this.#counts.commitSeconds.observe((this.#clock.monotonic() - startedMs) / 1000);
  }

  /** `beginning`: of the group, for its first. Throws only when the group itself is lost: SQLite rolled it back (disk full, I/O error), or cannot end a savepoint. */
  async #runJob(job: Job, beginning: Promise<unknown> | undefined): Promise<() => void> {
    const { connection } = job.line;
    const life = { isOpen: true };
    const tx = sqliteTransaction(connection.inside, () => {
      if (!life.isOpen) throw new TypeError("a transaction's tag was used after the transaction ended");
    });
    // Before the first there is nothing that its failure could take with it.
    if (!beginning) await connection.run("savepoint job");
    try {
      const work = this.#inside.run(life, () => job.run(tx));
      const value = await withDeadline(this.#clock, work, {
        ms: job.deadline - this.#clock.monotonic(),
        late: () => {
          this.#counts.deadlines += 1;
          return unavailable(LATE);
        },
      });
      if (beginning) await throwFailure(beginning);
      // SQLite has ended it by itself, and whoever ran it took no note of that.
      if (!connection.inTransaction) throw new Error("the transaction has ended");
      if (!beginning) await connection.run("release job");
      return () => job.resolve(value);
    } catch (error) {
      if (beginning) await throwFailure(beginning);
      if (!connection.inTransaction) throw error;
      if (beginning) await connection.run("rollback");
      else {
        await connection.run("rollback to job");
        await connection.run("release job");
      }
      this.#running.delete(job);
      return () => job.reject(mapSqliteError(error));
    } finally {
      life.isOpen = false;
    }
  }

  /** Tells those whose deadline has passed: who waits, so that nothing is done for them any more, who shares a group with one that is not done, and whose COMMIT takes too long. */
  #rejectLate(cause?: unknown): void {
    const now = this.#clock.monotonic();
    for (const job of this.#committing) if (job.deadline <= now) job.reject(unavailable(UNKNOWN_OUTCOME));
    if (this.#committing.length === 0)
      for (const job of this.#running) {
        if (job.deadline > now) continue;
        job.reject(unavailable(LATE, { cause }));
        this.#isDoomed = true;
      }
    const late = this.#queue.filter((job) => job.deadline <= now);
    if (late.length === 0) return;
    this.#queue.splice(0, this.#queue.length, ...this.#queue.filter((job) => job.deadline > now));
    this.#counts.deadlines += late.length;
    for (const job of late) job.reject(unavailable(LATE, { cause }));
  }
}

async function throwFailure(beginning: Promise<unknown>): Promise<void> {
  const failure = await beginning;
  if (failure !== undefined) throw failure;
}
