// A tag of postgres.js's shape for SQLite: renders templates to text with a `?` for each value, and hands both to whoever runs them.
// bun:sqlite binds `$2` written before `$1` by order of appearance, so every parameter here is a plain `?` in order.

import {
  type Column,
  joinNames,
  type List,
  type Query,
  type Sql,
  type SubjectIds,
  type Tx,
  type Value,
  valueIn,
} from "./store.ts";

type Part = Value | SqliteQuery | readonly SqliteQuery[] | SqliteList | SqliteRows;

/** Runs statements in the order in which they are given, here or in another thread. What it throws is mapped already. */
export interface StatementRunner {
  all(text: string, values: readonly Value[]): unknown[] | Promise<unknown[]>;
  /** One statement for each of the rows. */
  each(text: string, rows: readonly (readonly Value[])[]): void | Promise<void>;
}

/** The tag of one transaction; `check` runs before each statement and may refuse it. */
export function sqliteTransaction(runner: StatementRunner, check: () => void = () => {}): Tx {
  const sql = sqliteTag((text, values) => {
    check();
    return runner.all(text, values);
  });
  // A statement that is prepared runs again and again as fast as one of many rows, and has one text for all numbers of them.
  const each = (text: string, columns: readonly Column[], rows: readonly object[]) => {
    const bound = rows.map((row) => columns.map((column) => valueIn(row, column)));
    const run = async () => {
      check();
      await runner.each(text, bound);
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
    updateRows: (table: string, columns: readonly Column[], rows: readonly object[], moved: ReadonlySet<string>) => {
      // SQLite writes the entries of an index anew where a column of it is set, whatever to.
      const set = columns.filter(({ name }) => moved.has(name));
      const assignments = set.map(({ name }) => `${joinNames([name])} = ?`).join(", ");
      return each(`update ${joinNames([table])} set ${assignments} where id = ?`, [...set, ID], rows);
    },
    drawIds: async (subject: SubjectIds, count: number) => {
      const [row] = await sql<{ first: number }>`select ${sql.raw(nextIdOf(subject))} as first`;
      return Array.from({ length: count }, (_, index) => (row?.first ?? 1) + index);
    },
    reserveIds: () => Promise.resolve(),
  });
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
    engine: "sqlite",
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
