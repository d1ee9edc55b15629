// One bun:sqlite connection behind a tag of postgres.js's shape: renders templates, prepares, binds by position, maps errors.
// bun:sqlite binds `$2` written before `$1` by order of appearance, so every parameter here is a plain `?` in order.

import { Database, type Statement } from "bun:sqlite";
import { LIMITS } from "../limits.ts";
import {
  type Column,
  joinNames,
  type List,
  type MigrationTx,
  type Query,
  type Sql,
  StoreError,
  type StoreErrorKind,
  type SubjectIds,
  type Value,
  valueIn,
} from "./store.ts";

type Part = Value | SqliteQuery | readonly SqliteQuery[] | SqliteList | SqliteRows;

export class SqliteConnection {
  readonly database: Database;
  /** Prepared statements by text; owned by this connection and finalized with it. */
  readonly #statements = new Map<string, Statement>();

  constructor(path: string, options: { readonly readonly: boolean; readonly mustExist?: boolean }) {
    this.database = new Database(
      path,
      options.readonly
        ? { readonly: true, strict: true }
        : { readwrite: true, create: options.mustExist !== true, strict: true },
    );
    // Before anything that could meet another process's lock.
    this.database.run(`pragma busy_timeout = ${LIMITS.sqliteBusyMs}`);
    this.database.run("pragma foreign_keys = on");
    // Without it INSERT OR REPLACE deletes a row without firing its delete trigger, and so slips past a guard.
    this.database.run("pragma recursive_triggers = on");
    // Sorting and undoing must not need a directory for temporary files, which a container may not have.
    this.database.run("pragma temp_store = memory");
    // What an erasure removes must not lie about in the file's free pages.
    this.database.run("pragma secure_delete = on");
  }

  /** A tag whose queries run here, one by one, when awaited. `check` runs before each and may refuse it. */
  tag(check: () => void = () => {}): SqliteTag {
    return sqliteTag((text, values) => {
      check();
      return this.all(text, values);
    });
  }

  /** The tag of one transaction; `check` as above. */
  transaction(check: () => void = () => {}): MigrationTx {
    const sql = this.tag(check);
    // A statement that is prepared runs again and again as fast as one of many rows, and has one text for all numbers of them.
    const each = (text: string, columns: readonly Column[], rows: readonly object[]) => {
      const bound = rows.map((row) => columns.map((column) => valueIn(row, column)));
      const run = () => {
        check();
        for (const values of bound) this.all(text, values);
        return [];
      };
      const [first = []] = bound;
      return new SqliteQuery(run, Object.assign(text.split("?"), { raw: [] }), first) as Query<unknown>;
    };
    return Object.assign(sql, {
      forUpdate: sql`` as Query<unknown>,
      forUpdateWhole: sql`` as Query<unknown>,
      forUpdateSkipLocked: sql`` as Query<unknown>,
      takesWritesInOne: false,
      insertRows: (table: string, columns: readonly Column[], rows: readonly object[]) => {
        const names = columns.map(({ name }) => name);
        const places = names.map(() => "?").join(", ");
        return each(`insert into ${joinNames([table])} (${joinNames(names)}) values (${places})`, columns, rows);
      },
      updateRows: (table: string, columns: readonly Column[], rows: readonly object[]) => {
        const set = columns.filter(({ name }) => name !== "id");
        const assignments = set.map(({ name }) => `${joinNames([name])} = ?`).join(", ");
        return each(`update ${joinNames([table])} set ${assignments} where id = ?`, [...set, ID], rows);
      },
      drawIds: async (subject: SubjectIds, count: number) => {
        const [row] = await sql<{ first: number }>`select ${sql.raw(nextIdOf(subject))} as first`;
        return Array.from({ length: count }, (_, index) => (row?.first ?? 1) + index);
      },
      reserveIds: () => Promise.resolve(),
      script: async (text: string) => this.script(text),
    });
  }

  all(text: string, values: readonly Value[]): unknown[] {
    try {
      return this.#prepare(text).all(...(values as (string | number | Uint8Array | null)[]));
    } catch (error) {
      throw mapSqliteError(error);
    }
  }

  script(text: string): void {
    try {
      this.database.run(text);
    } catch (error) {
      throw mapSqliteError(error);
    }
  }

  finalizeStatements(): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
  }

  close(): void {
    // An unfinalized statement keeps the file and its WAL open.
    this.finalizeStatements();
    this.database.close();
  }

  #prepare(text: string): Statement {
    const known = this.#statements.get(text);
    if (known) return known;
    if (this.#statements.size >= LIMITS.sqliteStatementCache) {
      for (const [oldest, statement] of this.#statements) {
        statement.finalize();
        this.#statements.delete(oldest);
        break;
      }
    }
    const statement = this.database.prepare(text);
    this.#statements.set(text, statement);
    return statement;
  }
}

/** A tag that takes text of this file's own making as it is. */
interface SqliteTag extends Sql {
  raw(text: string): Query<unknown>;
}

/** A tag whose queries are run by `run`, as text with a `?` for each value. */
export function sqliteTag(run: (text: string, values: readonly Value[]) => unknown[] | Promise<unknown[]>): SqliteTag {
  const runQuery = (query: SqliteQuery) => {
    const bound: Value[] = [];
    return run(render(query, bound), bound);
  };
  const tag = (first: TemplateStringsArray | readonly Value[] | readonly Row[], ...parts: Part[]) => {
    if ("raw" in first) return new SqliteQuery(runQuery, first, parts);
    return isRows(first) ? new SqliteRows(first, parts as string[]) : new SqliteList(first);
  };
  const raw = (text: string) => tag(Object.assign([text], { raw: [] }));
  return Object.assign(tag, {
    raw,
    names: (...names: readonly string[]) => raw(joinNames(names)),
    among: (values: readonly (string | number)[]) =>
      values.length === 1 ? tag(AMONG_ONE, values[0] as Value) : tag(AMONG_MANY, JSON.stringify(values)),
  }) as unknown as SqliteTag;
}

const AMONG_ONE = Object.assign(["= ", ""], { raw: [] });
const AMONG_MANY = Object.assign(["in (select value from json_each(", "))"], { raw: [] });

const ID: Column = { name: "id", type: "integer" };

/**
 * One past the largest id that a row or an event ever had: an id is not given again even where a row was removed. The type stands
 * in it as text: SQLite takes five times as long where it is bound.
 */
function nextIdOf({ table, type }: SubjectIds): string {
  const [from, kind] = [joinNames([table]), joinNames([type])];
  return `(select 1 + max(coalesce((select max(id) from ${from}), 0),
                          coalesce((select max(subject_id) from events where subject_type = '${kind}'), 0)))`;
}

class SqliteList implements List {
  readonly first: readonly Value[];
  constructor(first: readonly Value[]) {
    if (first.length === 0) throw new TypeError("a list for `in` must not be empty");
    this.first = first;
  }
}

type Row = Readonly<Record<string, Value>>;

function isRows(list: readonly Value[] | readonly Row[]): list is readonly Row[] {
  return typeof list[0] === "object" && list[0] !== null && !(list[0] instanceof Uint8Array);
}

class SqliteRows {
  readonly first: readonly Row[];
  readonly columns: readonly string[];
  constructor(first: readonly Row[], columns: readonly string[]) {
    this.first = first;
    this.columns = columns;
  }
}

class SqliteQuery implements Query<unknown> {
  readonly [Symbol.toStringTag] = "Query";
  readonly strings: TemplateStringsArray;
  readonly parts: readonly Part[];
  readonly #run: (query: SqliteQuery) => unknown[] | Promise<unknown[]>;
  #result: Promise<unknown[]> | undefined;

  constructor(
    run: (query: SqliteQuery) => unknown[] | Promise<unknown[]>,
    strings: TemplateStringsArray,
    parts: readonly Part[],
  ) {
    this.#run = run;
    this.strings = strings;
    this.parts = parts;
  }

  #start(): Promise<unknown[]> {
    this.#result ??= new Promise((resolve) => resolve(this.#run(this)));
    return this.#result;
  }

  // biome-ignore lint/suspicious/noThenProperty: a query is awaited, as in postgres.js.
  then<A, B>(
    onResult?: ((rows: unknown[]) => A | PromiseLike<A>) | null,
    onError?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#start().then(onResult, onError);
  }

  catch<B>(onError?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<unknown[] | B> {
    return this.#start().catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<unknown[]> {
    return this.#start().finally(onEnd);
  }
}

function render(query: SqliteQuery, bound: Value[]): string {
  let text = query.strings[0] ?? "";
  query.parts.forEach((part, index) => {
    text += renderPart(part, bound) + (query.strings[index + 1] ?? "");
  });
  return text;
}

function renderPart(part: Part, bound: Value[]): string {
  if (part instanceof SqliteQuery) return render(part, bound);
  if (isFragments(part)) return part.map((each) => render(each, bound)).join(" ");
  if (part instanceof SqliteList) {
    bound.push(...part.first);
    return `(${part.first.map(() => "?").join(", ")})`;
  }
  if (part instanceof SqliteRows) {
    for (const row of part.first) bound.push(...part.columns.map((column) => row[column] ?? null));
    const places = `(${part.columns.map(() => "?").join(", ")})`;
    return `(${part.columns.join(", ")}) values ${part.first.map(() => places).join(", ")}`;
  }
  if (part === undefined || typeof part === "boolean") throw new TypeError(`cannot bind ${String(part)} to a query`);
  bound.push(part);
  return "?";
}

function isFragments(part: Part): part is readonly SqliteQuery[] {
  return Array.isArray(part);
}

/** SQLite extended result codes (sqlite.org/rescode.html) in the words both engines share. */
const KINDS: Readonly<Record<number, StoreErrorKind>> = {
  275: "check",
  787: "foreign_key",
  1299: "check",
  1555: "unique",
  1811: "guard",
  2067: "unique",
};

export function mapSqliteError(error: unknown): unknown {
  const errno = (error as { errno?: unknown }).errno;
  if (!(error instanceof Error) || typeof errno !== "number") return error;
  const check = /^deadletter check: (\w+)$/.exec(error.message)?.[1];
  if (check !== undefined) return new StoreError("check", check, error);
  if (error.message.startsWith("no such table")) return new StoreError("missing_table", error.message.slice(15), error);
  return new StoreError(KINDS[errno] ?? "other", constraintName(error.message), error);
}

/** `UNIQUE constraint failed: urls.short_code` becomes PostgreSQL's name for it, urls_short_code_key. */
function constraintName(message: string): string {
  const named = /failed: index '(\w+)'/.exec(message)?.[1] ?? /^CHECK constraint failed: (\w+)$/.exec(message)?.[1];
  if (named !== undefined) return named;
  const columns = /failed: (.+)$/.exec(message)?.[1]?.split(", ") ?? [];
  const [table = ""] = columns[0]?.split(".") ?? [];
  if (table === "events" && columns.length === 3) return "events_subject_key";
  return columns.length === 1 ? `${columns[0]?.replace(".", "_")}_key` : columns.join("_");
}

/** SQLITE_BUSY (5) in any of its extended forms. */
export function isBusy(error: unknown): boolean {
  const errno = (error as { errno?: unknown }).errno;
  return typeof errno === "number" && (errno & 255) === 5;
}
