// What a store is, for everybody above it: one tag for queries, transactions, snapshots, and one kind of error.
// Two engines implement it (postgres.ts, sqlite.ts) in the shape of postgres.js; queries are written once, in queries/.

import type { Column } from "../model/field.ts";
import type { StoreCounts } from "./counts.ts";

/** The types on which both engines agree. */
export type Value = string | number | Uint8Array | null;

export type Engine = "postgres" | "sqlite";

/** A statement or a fragment of one. It runs when awaited; put into another query's template it becomes a part of it. */
export interface Query<Row> extends Promise<Row[]> {}

/** A list for `in ${sql([1, 2])}`; it must not be empty. */
export interface List {
  readonly first: readonly Value[];
}

/** Rows for `insert into t ${sql(rows, "a", "b")}`: the columns' names and all their values; there must be at least one. */
export interface Rows {
  readonly first: readonly object[];
}

export interface Sql {
  <Row = unknown>(
    strings: TemplateStringsArray,
    ...values: readonly (Value | Query<unknown> | readonly Query<unknown>[] | List | Rows)[]
  ): Query<Row>;
  (list: readonly (string | number | Uint8Array)[]): List;
  <Row extends object>(rows: readonly Row[], ...columns: readonly (keyof Row & string)[]): Rows;
  /** Of which engine: for the few statements that are not the same on both. */
  readonly engine: Engine;
  /** `a, b` as a fragment. Throws TypeError for what is no plain name. */
  names(...names: readonly string[]): Query<unknown>;
  /** `where id ${sql.among([1, 2])}`: one text for lists of any length, also an empty one. All values are of one type. */
  among(values: readonly (string | number)[]): Query<unknown>;
}

/** Where a kind of subject has its rows, and what its events call it. */
export interface SubjectIds {
  readonly table: string;
  readonly type: string;
}

export interface Tx extends Sql {
  /** Locks rows against changes, not against being referred to, where they are locked one by one; nothing where there is one writer. */
  readonly forUpdate: Query<unknown>;
  /** The same, and nobody may refer to the rows meanwhile. */
  readonly forUpdateWhole: Query<unknown>;
  /** The same, but rows that somebody else has locked are left out instead of waited for. */
  readonly forUpdateSkipLocked: Query<unknown>;
  /** Whether one statement may hold several that write: then they cost one way there and back. */
  readonly takesWritesInOne: boolean;
  /** Inserts all rows; there must be at least one. One text for any number of rows. Columns that a row lacks are null. */
  insertRows(table: string, columns: readonly Column[], rows: readonly object[]): Query<unknown>;
  /**
   * Sets all columns of the rows with these ids, in the order of `rows`, in which each id stands once; `columns` has `id`. `moved`
   * names those in which some row is to differ from what is there: the others need not be set.
   */
  updateRows(
    table: string,
    columns: readonly Column[],
    rows: readonly object[],
    moved: ReadonlySet<string>,
  ): Query<unknown>;
  /** Draws ids that no subject of the kind has or had. */
  drawIds(subject: SubjectIds, count: number): Promise<readonly number[]>;
  /** Tells the id source that ids up to `id` were given by somebody else (an import). */
  reserveIds(subject: SubjectIds, id: number): Promise<void>;
}

export interface MigrationTx extends Tx {
  /** Runs a whole script of statements, none of them parametrised. */
  script(text: string): Promise<void>;
}

export interface StoreLoad {
  /** Calls that hold a connection or the writer now, calls that wait for one, and how many can be held at once. */
  readonly active: number;
  readonly waiting: number;
  readonly size: number;
}

/** The write-ahead log of an embedded store. */
export interface WalStanding {
  /** How much of it is in use. */
  readonly bytes: number;
  /** Whether somebody who reads an older state keeps it from being moved into the file: it grows until they have done. */
  readonly isHeld: boolean;
}

/** How a database server stands to others that copy it, or that it copies. */
export interface Replication {
  /** Whether it only copies another one. */
  readonly isReplica: boolean;
  /** Servers that copy it now. */
  readonly standbys: number;
  /** Of the one furthest behind, or its own where it is a replica; undefined where it cannot be told. */
  readonly lagSeconds: number | undefined;
  readonly lagBytes: number | undefined;
}

/** The engine's version, its clock, and those of its settings on which durability depends, by their own names. */
export interface Inspection {
  readonly version: string;
  /** Undefined where it has none of its own. */
  readonly nowMs: number | undefined;
  /** Whether this connection is encrypted; undefined where there is none. */
  readonly isEncrypted: boolean | undefined;
  readonly settings: Readonly<Record<string, string>>;
}

export interface BeginOptions {
  readonly deadlineMs?: number;
  /** On the embedded store resolves once committed, before it is on the disk: a power cut, but no kill, may undo it. */
  readonly isRelaxed?: boolean;
  /** Whether it is one of many that somebody waits for all of: on the embedded store of a process that serves it runs in a thread. */
  readonly isBulk?: boolean;
}

export interface Store {
  readonly engine: Engine;
  /** Where the data is, for people: a path, or host, port and database without the password. */
  readonly place: string;
  /** How long a call may take at the most, where it does not say otherwise. */
  readonly deadlineMs: number;
  /** Runs read-only queries. Throws unavailable past the deadline or when the database is down. */
  read<T>(run: (sql: Sql) => PromiseLike<T>): Promise<T>;
  /**
   * The same for queries that may look at many rows: on the embedded store of a process that serves, in a thread, one after
   * the other. What is read by several of them is not of one state.
   */
  scan<T>(run: (sql: Sql) => PromiseLike<T>): Promise<T>;
  /**
   * Runs `run` in one transaction and resolves once it is durably committed. What `run` throws rolls everything back.
   * `run` may be called again after a serialization failure, so it must have no effect but its queries.
   * Throws StoreError for a broken rule and unavailable when the database is down or the deadline passes.
   */
  begin<T>(run: (tx: Tx) => Promise<T>, options?: BeginOptions): Promise<T>;
  /** Runs read-only queries that all see one and the same committed state, for as long as they take. */
  snapshot<T>(run: (sql: Sql) => Promise<T>): Promise<T>;
  /** One transaction that no other process's migration runs beside. */
  migrate<T>(run: (tx: MigrationTx) => Promise<T>): Promise<T>;
  /** Tells every listener of this database that the log has grown; nothing on the embedded store, where any commit tells. */
  notify(): Promise<void>;
  /**
   * Calls `onNotify` soon after a notify() of anybody's, on the embedded store after any commit, and after each time listening
   * had to begin anew: what was said in between is lost, so listeners poll as well.
   */
  listen(onNotify: () => void): Promise<{ close: () => Promise<void> }>;
  /** Begins what a process that serves wants done beside its work, in threads of its own; resolves when they run, or cannot. */
  startBackground(): Promise<void>;
  load(): StoreLoad;
  readonly counts: StoreCounts;
  /** What the engine says of itself, for whoever looks for what is wrong. Throws unavailable as read() does. */
  inspect(): Promise<Inspection>;
  /** Undefined on the embedded store. Throws unavailable as read() does. */
  replication(): Promise<Replication | undefined>;
  /** Of the embedded store of a process that serves. */
  wal(): WalStanding | undefined;
  /** Why nothing may be written any more: the store's file is not where it was. Redirects go on from what is still open. */
  lost(): string | undefined;
  close(): Promise<void>;
}

export type StoreErrorKind =
  | "unique"
  | "foreign_key"
  | "check"
  | "guard"
  | "missing_table"
  | "serialization"
  | "locked"
  | "other";

/** A statement that broke one of the database's own rules. `constraint` has the same name on both engines. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly kind: StoreErrorKind;
  readonly constraint: string;

  constructor(kind: StoreErrorKind, constraint: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.kind = kind;
    this.constraint = constraint;
  }
}

/** What the caller is told where a COMMIT was sent and nobody knows what became of it. */
export const UNKNOWN_OUTCOME =
  "the database was lost while it was saving: the change may or may not have been made; read before you try again";

export function isUniqueViolation(error: unknown, constraint: string): boolean {
  return error instanceof StoreError && error.kind === "unique" && error.constraint === constraint;
}

export type { Column };

/** What a row holds in a column; null where it holds nothing. */
export function valueIn(row: object, { name }: Column): Value {
  return (row as Readonly<Record<string, Value>>)[name] ?? null;
}

/** Joins plain names to a list. A name that is not one would be SQL of somebody's making. */
export function joinNames(names: readonly string[]): string {
  for (const name of names) {
    if (PLAIN_NAMES.has(name)) continue;
    if (!/^[a-z_]+(?:\.[a-z_]+)?$/.test(name))
      throw new TypeError(`${JSON.stringify(name)} is not the name of a table or column`);
    PLAIN_NAMES.add(name);
  }
  return names.join(", ");
}

/** Names that were found to be plain: as many as the definitions and statements have. */
const PLAIN_NAMES = new Set<string>();
