// The production store: postgres.js, with a pool, deadlines on every call and errors in words both engines share.

import postgres from "postgres";
import { parseDatabaseUrl, placeOf } from "../config/database-url.ts";
import { DeadletterError, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { StoreCounts } from "./counts.ts";
import { connectionTo } from "./postgres-connection.ts";
import { mapPostgresError } from "./postgres-errors.ts";
import { inspectPostgres } from "./postgres-inspection.ts";
import { readReplication } from "./postgres-replication.ts";
import { amongText, arraysOf, arrayText, rowTexts } from "./postgres-rows.ts";
import {
  type Column,
  joinNames,
  type MigrationTx,
  type Query,
  type Sql,
  type Store,
  StoreError,
  type SubjectIds,
  UNKNOWN_OUTCOME,
} from "./store.ts";

export interface PostgresOptions {
  readonly clock: Clock;
  readonly poolSize: number;
  /** The longest a call may take, waiting for a connection included; also the server's statement timeout. */
  readonly deadlineMs: number;
  /** The database is reached through a transaction pooler (PgBouncer): no prepared statements, no session settings. */
  readonly isPooled: boolean;
}

/**
 * A plan made while a table is small scans it sequentially, and is cached until the next ANALYZE even if the table grows. All queries
 * of a server have an index. JIT is off because a disabled scan's nominal cost would trigger it.
 */
const PLANNING = { enable_seqscan: "off", jit: "off" };

/** Any number, the same in every release: processes that migrate one database take turns on it. */
const MIGRATION_LOCK = 7_305_161_501;

/** Carries no payload: who hears it reads the log. */
const LOG_CHANNEL = "deadletter_log";

export async function openPostgres(url: string, options: PostgresOptions): Promise<Store> {
  const address = parseDatabaseUrl(url);
  const { clock } = options;
  const sql = postgres({
    ...connectionTo(address),
    max: options.poolSize,
    prepare: !options.isPooled,
    fetch_types: false,
    connect_timeout: Math.ceil(options.deadlineMs / 1000),
    // The default backoff grows and delays recovery by 11 s.
    backoff: () => LIMITS.postgresBackoffS,
    onnotice: () => {},
    // Whatever is stored in an int8 fits a safe integer: the schema's own checks see to it.
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    connection: options.isPooled
      ? { application_name: "deadletter", ...address.parameters }
      : {
          application_name: "deadletter",
          ...address.parameters,
          statement_timeout: options.deadlineMs,
          ...PLANNING,
          idle_in_transaction_session_timeout: options.deadlineMs * 2,
        },
  });
  const place = placeOf({ ...address, database: sql.options.database });
  const tag = sqlTag(sql);
  const counts = new StoreCounts();
  let calls = 0;

  /** Runs one call under the deadline and the bound on waiting calls. */
  async function call<T>(work: () => Promise<T>, deadlineMs: number, late: () => DeadletterError): Promise<T> {
    if (calls >= options.poolSize + LIMITS.postgresWaitingCalls)
      throw unavailable("too many calls are waiting for the database");
    calls += 1;
    const countLate = () => {
      counts.deadlines += 1;
      return late();
    };
    try {
      return await withDeadline(clock, work(), { ms: deadlineMs, late: countLate });
    } catch (error) {
      throw mapPostgresError(error);
    } finally {
      calls -= 1;
    }
  }

  async function transact<T>(run: (tx: MigrationTx) => Promise<T>, deadlineMs: number): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      let isCommitting = false;
      let isLate = false;
      const late = () => {
        isLate = true;
        return unavailable(isCommitting ? UNKNOWN_OUTCOME : NO_ANSWER);
      };
      const askedMs = clock.monotonic();
      let committingMs = 0;
      const work = () =>
        sql.begin(async (raw) => {
          counts.waitSeconds.observe((clock.monotonic() - askedMs) / 1000);
          // The caller has already been told that this did not happen, so it must not.
          if (isLate) throw late();
          // A job that may take longer than other calls may also wait longer for its locks.
          if (deadlineMs > options.deadlineMs) await allowStatements(raw, deadlineMs);
          const value = await run(transactionTag(raw));
          if (isLate) throw late();
          isCommitting = true;
          committingMs = clock.monotonic();
          return value;
        }) as Promise<T>;
      try {
        const value = await call(work, deadlineMs, late);
        counts.commitSeconds.observe((clock.monotonic() - committingMs) / 1000);
        return value;
      } catch (error) {
        const isRetryable = error instanceof StoreError && error.kind === "serialization";
        if (isRetryable && attempt < LIMITS.transactionRetries) {
          counts.retries += 1;
          continue;
        }
        const isLost = isCommitting && error instanceof DeadletterError && error.code === "unavailable";
        throw isLost ? unavailable(UNKNOWN_OUTCOME, { cause: error }) : error;
      }
    }
  }

  function read<T>(run: (sql: Sql) => PromiseLike<T>): Promise<T> {
    return call(
      async () => run(tag),
      options.deadlineMs,
      () => unavailable(NO_ANSWER),
    );
  }

  return {
    engine: "postgres",
    place,
    deadlineMs: options.deadlineMs,
    read,
    // The server runs queries in its own processes: a scan does not block this one.
    scan: read,
    // Nothing is relaxed here: a server that crashes would lose what it had acknowledged.
    begin: (run, { deadlineMs = options.deadlineMs } = {}) => transact(run, deadlineMs),
    migrate: (run) =>
      untilUnlocked(clock, () =>
        transact(async (tx) => {
          // Whoever waits for a table keeps all who come after waiting: not for long, and then again.
          await tx`select set_config('lock_timeout', ${String(LIMITS.migrationLockMs)}, true),
                          set_config('enable_seqscan', 'on', true)`;
          await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
          return run(tx);
        }, LIMITS.migrationMs),
      ),
    // No deadline: verifying a large log takes as long as it takes, and some of its statements read whole tables.
    snapshot: async (run) => {
      try {
        return (await sql.begin("isolation level repeatable read read only", async (raw) => {
          await allowStatements(raw, NO_LIMIT);
          await walkByIndex(raw);
          return run(sqlTag(raw));
        })) as Awaited<ReturnType<typeof run>>;
      } catch (error) {
        throw mapPostgresError(error);
      }
    },
    notify: () =>
      call(
        async () => {
          await sql`select pg_notify(${LOG_CHANNEL}, '')`;
        },
        options.deadlineMs,
        () => unavailable(NO_ANSWER),
      ),
    async listen(onNotify) {
      // A transaction pooler gives out no sessions, so LISTEN does not work through one.
      if (options.isPooled) return { close: () => Promise.resolve() };
      const { unlisten } = await sql.listen(LOG_CHANNEL, onNotify, onNotify);
      return { close: () => unlisten().catch(() => {}) };
    },
    startBackground: () => Promise.resolve(),
    load: () => ({
      active: Math.min(calls, options.poolSize),
      waiting: Math.max(0, calls - options.poolSize),
      size: options.poolSize,
    }),
    counts,
    inspect: () => read(inspectPostgres),
    replication: () => read(readReplication),
    wal: () => undefined,
    lost: () => undefined,
    close: () => sql.end({ timeout: Math.ceil(options.deadlineMs / 1000) }),
  };
}

/** Tries again while somebody else holds what is needed. Throws unavailable after LIMITS.migrationMs. */
async function untilUnlocked<T>(clock: Clock, run: () => Promise<T>): Promise<T> {
  const untilMs = clock.monotonic() + LIMITS.migrationMs;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      // Whoever writes meanwhile may also hold what this waits for, and wait for what this holds.
      if (!(error instanceof StoreError) || (error.kind !== "locked" && error.kind !== "serialization")) throw error;
      if (clock.monotonic() > untilMs)
        throw unavailable("the tables are in use by others for too long", {
          cause: error,
          hint: "end what reads or changes them for long: a verify, a backup, another migration",
        });
      await sleep(clock, LIMITS.migrationPauseMs);
    }
  }
}

const NO_ANSWER = "the database did not answer in time";

const NO_LIMIT = 0;

/** For this transaction alone: how long a statement may take, and how long it may lie idle between two. */
async function allowStatements(raw: postgres.TransactionSql, ms: number): Promise<void> {
  await raw`select set_config('statement_timeout', ${String(ms)}, true),
                   set_config('idle_in_transaction_session_timeout', ${String(ms)}, true)`;
}

/**
 * Snapshots walk large tables in keyset pages. Before the first ANALYZE the planner would rather read and sort all that
 * is left of a table for each page.
 */
async function walkByIndex(raw: postgres.TransactionSql): Promise<void> {
  await raw`select set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
                   set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)`;
}

/** postgres.js's own tag, with what it has no word for. */
function sqlTag(raw: postgres.Sql | postgres.TransactionSql): Sql {
  return Object.assign(raw as unknown as Sql, {
    engine: "postgres" as const,
    names: (...names: readonly string[]) => fragment(raw, joinNames(names)),
    among: (values: readonly (string | number)[]) => tagged(raw, amongText(values), [arrayText(values)]),
  });
}

/** Fragments of fixed text. None is ever run by itself, so that which connection made it does not matter. */
const FRAGMENTS = new Map<string, Query<unknown>>();

function fragment(raw: postgres.Sql | postgres.TransactionSql, text: string): Query<unknown> {
  const known = FRAGMENTS.get(text) ?? (raw.unsafe(text) as unknown as Query<unknown>);
  FRAGMENTS.set(text, known);
  return known;
}

function tagged(raw: postgres.Sql | postgres.TransactionSql, texts: TemplateStringsArray, values: readonly string[]) {
  return (raw as postgres.Sql)(texts, ...values) as unknown as Query<unknown>;
}

function transactionTag(raw: postgres.TransactionSql): MigrationTx {
  const tag = sqlTag(raw);
  return Object.assign(tag, {
    forUpdate: fragment(raw, "for no key update"),
    forUpdateWhole: fragment(raw, "for update"),
    forUpdateSkipLocked: fragment(raw, "for update skip locked"),
    takesWritesInOne: true,
    insertRows: (table: string, columns: readonly Column[], rows: readonly object[]) =>
      tagged(raw, rowTexts("insert", table, columns), arraysOf(columns, rows)),
    updateRows: (table: string, columns: readonly Column[], rows: readonly object[]) =>
      tagged(raw, rowTexts("update", table, columns), arraysOf(columns, rows)),
    drawIds: async ({ table }: SubjectIds, count: number) => {
      const sequence = `${table}_id_seq`;
      const rows = await tag<{ id: number }>`
        select nextval(${sequence}::regclass) as id from generate_series(1, ${count})`;
      return rows.map(({ id }) => id);
    },
    reserveIds: async ({ table }: SubjectIds, id: number) => {
      const sequence = `${table}_id_seq`;
      // Changes nothing, but keeps everybody else from drawing until this transaction has ended.
      await raw.unsafe(`alter sequence ${sequence} cache 1`);
      const [row] = await raw.unsafe<{ last_value: number }[]>(`select last_value from ${sequence}`);
      await raw.unsafe(`alter sequence ${sequence} restart with ${Math.max(id, row?.last_value ?? 0) + 1}`);
    },
    script: async (text: string) => {
      await raw.unsafe(text).simple();
    },
  });
}
