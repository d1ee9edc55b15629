// Every statement about subjects of any kind: their rows by id, read, locked and written as their definition says.

import { type Stored, type Subject, type SubjectRow, storedColumnsOf, type Unique } from "../../model/subject.ts";
import type { Query, Sql, Tx } from "../store.ts";

/** What is stored of a row of any kind: its columns by name, and the head. */
type Row = Stored<SubjectRow>;

export interface SubjectsToLock {
  readonly ids: readonly number[];
  /** In the column by which the kind is named. */
  readonly names: readonly string[];
}

/** In the order of ids, in which every transaction locks. */
export function lockSubjects(tx: Tx, subject: Subject, { ids, names }: SubjectsToLock): Query<Row> {
  const { nameColumn } = subject;
  const byName =
    nameColumn !== undefined && names.length > 0 ? tx`${tx.names(nameColumn)} ${tx.among(names)}` : undefined;
  const byId = ids.length > 0 || !byName ? tx`id ${tx.among(ids)}` : undefined;
  const wanted = byName && byId ? tx`${byId} or ${byName}` : (byName ?? byId ?? tx``);
  return tx`
    select ${storedColumns(tx, subject)} from ${tx.names(subject.table)} where ${wanted} order by id ${tx.forUpdate}`;
}

/** The first `limit` past `afterId`, locked. */
export function lockSubjectsAfter(tx: Tx, subject: Subject, afterId: number, limit: number): Query<Row> {
  return tx`
    select ${storedColumns(tx, subject)} from ${tx.names(subject.table)}
    where id > ${afterId} and id <= ${Number.MAX_SAFE_INTEGER} order by id limit ${limit} ${tx.forUpdate}`;
}

export function findSubjects(sql: Sql, subject: Subject, ids: readonly number[]): Query<Row> {
  return sql`select ${storedColumns(sql, subject)} from ${sql.names(subject.table)} where id ${sql.among(ids)}`;
}

export function listSubjects(sql: Sql, subject: Subject, afterId: number, limit: number): Query<Row> {
  return sql`
    select ${storedColumns(sql, subject)} from ${sql.names(subject.table)}
    where id > ${afterId} and id <= ${Number.MAX_SAFE_INTEGER} order by id limit ${limit}`;
}

/** Reads the whole table: for verification only. */
export function countSubjects(sql: Sql, subject: Subject): Query<{ count: number }> {
  return sql`select count(*) as count from ${sql.names(subject.table)}`;
}

/** Rows of one kind, all new. */
export function insertSubjects(tx: Tx, subject: Subject, rows: readonly Row[]): Query<unknown> {
  return tx.insertRows(subject.table, storedColumnsOf(subject).all, rows);
}

/** Rows of one kind, each another; `moved`: the columns in which some of them differ from what is there. */
export function updateSubjects(
  tx: Tx,
  subject: Subject,
  rows: readonly Row[],
  moved: ReadonlySet<string>,
): Query<unknown> {
  return tx.updateRows(subject.table, storedColumnsOf(subject).changing, rows, moved);
}

/** Which of these values rows have already in a unique column; where it is compared without case, in lower case. */
export function listTaken(
  sql: Sql,
  { table }: Subject,
  { column, isFolded }: Unique,
  values: readonly string[],
): Query<{ value: string; id: number }> {
  if (!isFolded)
    return sql`
      select ${sql.names(column)} as value, id from ${sql.names(table)} where ${sql.names(column)} ${sql.among(values)}`;
  const folded = values.map((value) => value.toLowerCase());
  return sql`
    select lower(${sql.names(column)}) as value, id from ${sql.names(table)}
    where lower(${sql.names(column)}) ${sql.among(folded)}`;
}

function storedColumns(sql: Sql, subject: Subject): Query<unknown> {
  return sql.names(...storedColumnsOf(subject).all.map(({ name }) => name));
}
