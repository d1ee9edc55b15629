// Every statement about subjects of any kind: their rows by id, read, locked and written as their definition says.

import {
  cellOf,
  changingColumnsOf,
  columnsOf,
  type Stored,
  type Subject,
  type SubjectRow,
  type Unique,
} from "../../model/subject.ts";
import { insertRows, type Query, type Sql, type Tx } from "../store.ts";

/** What is stored of a row of any kind: its columns by name, and the head. */
type Row = Stored<SubjectRow>;

/** In the order of ids, in which every transaction locks. */
export function lockSubjects(tx: Tx, subject: Subject, ids: readonly number[]): Query<Row> {
  return tx`
    select ${storedColumns(tx, subject)} from ${tx.names(subject.table)} where id in ${tx(ids)} order by id ${tx.forUpdate}`;
}

/** The first `limit` past `afterId`, locked. */
export function lockSubjectsAfter(tx: Tx, subject: Subject, afterId: number, limit: number): Query<Row> {
  return tx`
    select ${storedColumns(tx, subject)} from ${tx.names(subject.table)}
    where id > ${afterId} and id <= ${Number.MAX_SAFE_INTEGER} order by id limit ${limit} ${tx.forUpdate}`;
}

export function findSubjects(sql: Sql, subject: Subject, ids: readonly number[]): Query<Row> {
  return sql`select ${storedColumns(sql, subject)} from ${sql.names(subject.table)} where id in ${sql(ids)}`;
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
  return insertRows(tx, subject.table, namesOf(subject).stored, rows);
}

/** All but what never changes. */
export function updateSubject(tx: Tx, subject: Subject, row: Row): Query<unknown> {
  const assignments = namesOf(subject).changing.reduce(
    (before, column) => tx`${before}, ${tx.names(column)} = ${cellOf(row, column)}`,
    tx`head = ${row.head}`,
  );
  return tx`update ${tx.names(subject.table)} set ${assignments} where id = ${row.id}`;
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
      select ${sql.names(column)} as value, id from ${sql.names(table)} where ${sql.names(column)} in ${sql(values)}`;
  const folded = values.map((value) => value.toLowerCase());
  return sql`
    select lower(${sql.names(column)}) as value, id from ${sql.names(table)}
    where lower(${sql.names(column)}) in ${sql(folded)}`;
}

/** The names of a definition's columns, worked out once: every statement has them. */
const NAMES = new WeakMap<Subject, { readonly stored: readonly string[]; readonly changing: readonly string[] }>();

function namesOf(subject: Subject) {
  const known = NAMES.get(subject);
  if (known) return known;
  const names = { stored: [...columnsOf(subject), "head"], changing: changingColumnsOf(subject) };
  NAMES.set(subject, names);
  return names;
}

function storedColumns(sql: Sql, subject: Subject): Query<unknown> {
  return sql.names(...namesOf(subject).stored);
}
