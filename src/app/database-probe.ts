// What is known of the database without asking it: a probe in the background asks, and whoever wants to know is told at once.

import { DeadletterError, unavailable } from "../errors.ts";
import type { Check, Database } from "../http/service.ts";
import { LIMITS } from "../limits.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import type { Logger } from "../runtime/logger.ts";
import { countMigrations } from "../store/migrate.ts";
import { type Replication, type Sql, type Store, StoreError } from "../store/store.ts";

interface DatabaseStanding {
  readonly database: Check;
  readonly schema: Check;
}

const OK: Check = { ok: true };
const SILENT: DatabaseStanding = {
  database: { ok: false, detail: "the database does not answer" },
  schema: { ok: false, detail: "the schema cannot be read" },
};

export class DatabaseProbe implements Database {
  readonly #store: Store;
  readonly #onLost: (why: string) => void;
  readonly #clock: Clock;
  #isLost = false;
  #last: DatabaseStanding | undefined;
  /** The question that has not been answered yet, and the clock's monotonic() when it was asked. */
  #asking: { readonly answer: Promise<void>; readonly sinceMs: number } | undefined;
  #timer: Timer | undefined;
  #migrations: { readonly applied: number; readonly pending: number } | undefined;
  #silentMs = 0;
  #silentSinceMs: number | undefined;
  readonly #log: Logger;
  /** By the clock's monotonic(), up to when #silentMs was counted. */
  #countedMs: number | undefined;

  /** `onLost` is told once where the store's file is not where it was. */
  constructor(store: Store, clock: Clock, log: Logger, onLost: (why: string) => void) {
    this.#log = log;
    this.#store = store;
    this.#clock = clock;
    this.#onLost = onLost;
  }

  /** Asks every LIMITS.probeMs from now on, one question at a time. */
  start(): void {
    void this.#ask();
    this.#timer ??= this.#clock.every(LIMITS.probeMs, () => {
      this.#countSilence();
      void this.#ask();
    });
    this.#timer.unref();
  }

  close(): void {
    this.#clock.cancel(this.#timer);
  }

  /** Whether the database is known not to answer; false before anybody has asked. */
  get isSilent(): boolean {
    return this.#isLate || this.#last?.database.ok === false;
  }

  /** How long it has not answered altogether, to LIMITS.probeMs. */
  get silentMs(): number {
    return this.#silentMs;
  }

  /** Migrations that the store has, and those that it lacks; undefined before it has answered. */
  async readMigrations(): Promise<{ readonly applied: number; readonly pending: number } | undefined> {
    await this.standing();
    return this.#migrations;
  }

  /** Undefined where the database does not answer in time, and on the embedded store. */
  async readReplication(): Promise<Replication | undefined> {
    if (this.isSilent) return undefined;
    const late = () => unavailable("the database did not answer in time");
    return withDeadline(this.#clock, this.#store.replication(), { ms: LIMITS.scrapeReadMs, late }).catch(
      () => undefined,
    );
  }

  /** At once, but for a process that has not asked before: it asks first. */
  async standing(): Promise<DatabaseStanding> {
    if (this.#timer === undefined || (this.#last === undefined && !this.#isLate))
      await withDeadline(this.#clock, this.#ask(), { ms: LIMITS.readinessMs, late: () => unavailable("late") }).catch(
        () => undefined,
      );
    return this.#isLate ? SILENT : (this.#last ?? SILENT);
  }

  async readSoon<T>(run: (sql: Sql) => PromiseLike<T>): Promise<T | undefined> {
    if (this.isSilent) return undefined;
    const late = () => unavailable("the database did not answer in time");
    try {
      return await withDeadline(this.#clock, this.#store.read(run), { ms: LIMITS.scrapeReadMs, late });
    } catch (error) {
      if (error instanceof DeadletterError && error.code === "unavailable") return undefined;
      throw error;
    }
  }

  get #isLate(): boolean {
    return this.#asking !== undefined && this.#clock.monotonic() - this.#asking.sinceMs > LIMITS.storeLateMs;
  }

  /** Also says when it begins and when it ends. */
  #countSilence(): void {
    const nowMs = this.#clock.monotonic();
    const { isSilent } = this;
    if (isSilent) {
      this.#silentMs += nowMs - (this.#countedMs ?? nowMs);
      if (this.#silentSinceMs === undefined) this.#log.warn("the database does not answer");
      this.#silentSinceMs ??= nowMs;
    } else if (this.#silentSinceMs !== undefined) {
      const seconds = Math.round((nowMs - this.#silentSinceMs) / 100) / 10;
      this.#log.info("the database answers again", { seconds });
      this.#silentSinceMs = undefined;
    }
    this.#countedMs = nowMs;
  }

  #ask(): Promise<void> {
    this.#asking ??= { answer: this.#askOnce(), sinceMs: this.#clock.monotonic() };
    return this.#asking.answer;
  }

  async #askOnce(): Promise<void> {
    const lost = this.#store.lost();
    if (lost !== undefined && !this.#isLost) this.#onLost(lost);
    this.#isLost = lost !== undefined;
    try {
      this.#migrations = await this.#store.read(countMigrations);
      const { pending } = this.#migrations;
      const schema = { ok: false, detail: `${pending} migrations are pending: run deadletter migrate` };
      this.#last = { database: OK, schema: pending === 0 ? OK : schema };
    } catch (error) {
      this.#last = error instanceof StoreError ? { ...SILENT, database: OK } : SILENT;
    } finally {
      this.#asking = undefined;
    }
  }
}
