// Every statement about side tables: rows that follow from the subjects', and how far each table is filled.

import type { SideRow, SideTable } from "../../model/subject.ts";
import type { Query, Sql, Tx } from "../store.ts";

export interface SideTableStanding {
  readonly name: string;
  /** The last subject whose rows were filled in. */
  readonly through_id: number;
  /** 1 where the rows of all subjects are there, and the table may be relied on. */
  readonly is_complete: number;
}

export function insertSideRows(tx: Tx, { table, columns }: SideTable, rows: readonly SideRow[]): Query<unknown> {
  return tx.insertRows(table, columns, rows);
}

export function deleteSideRows(tx: Tx, { table, key }: SideTable, ids: readonly number[]): Query<unknown> {
  return tx`delete from ${tx.names(table)} where ${tx.names(key)} ${tx.among(ids)}`;
}

export function listSideRows(sql: Sql, { table, key, columns }: SideTable, ids: readonly number[]): Query<SideRow> {
  const names = sql.names(...columns.map(({ name }) => name));
  return sql`select ${names} from ${sql.names(table)} where ${sql.names(key)} ${sql.among(ids)}`;
}

/** Reads the whole table: for verification only. */
export function countSideRows(sql: Sql, { table }: SideTable): Query<{ count: number }> {
  return sql`select count(*) as count from ${sql.names(table)}`;
}

/** Rows of subjects that are not there. Reads the whole table: before it is filled anew. */
export function deleteStraySideRows(tx: Tx, { table, key }: SideTable, subjects: string): Query<unknown> {
  return tx`
    delete from ${tx.names(table)}
    where not exists (select 1 from ${tx.names(subjects)} s where s.id = ${tx.names(`${table}.${key}`)})`;
}

export function readSideTables(sql: Sql): Query<SideTableStanding> {
  return sql`select name, through_id, is_complete from side_tables order by name`;
}

/** Whether a table has the rows of every subject: whoever reads it asks first, in the same read. */
export async function isComplete(sql: Sql, { table }: SideTable): Promise<boolean> {
  return (await readSideTables(sql)).some(({ name, is_complete }) => name === table && is_complete === 1);
}

/** A store without any event has no subjects either: nothing is missing in its side tables. */
export function completeIfEmpty(tx: Tx): Query<unknown> {
  return tx`update side_tables set is_complete = 1 where not exists (select 1 from events)`;
}

/** No row where somebody else fills it at this moment. */
export function lockSideTable(tx: Tx, { table }: SideTable): Query<SideTableStanding> {
  return tx`
    select name, through_id, is_complete from side_tables where name = ${table} ${tx.forUpdateSkipLocked}`;
}

/** Makes the line where it is gone. */
export function updateSideTable(tx: Tx, { name, through_id, is_complete }: SideTableStanding): Query<unknown> {
  return tx`
    insert into side_tables (name, through_id, is_complete) values (${name}, ${through_id}, ${is_complete})
    on conflict (name) do update set through_id = excluded.through_id, is_complete = excluded.is_complete`;
}
