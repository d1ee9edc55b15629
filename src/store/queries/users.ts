// How users are listed. (How subjects of any kind are read by id, locked and written: subjects.ts.)

import { columnsOf } from "../../model/subject.ts";
import { USER, type UserRow } from "../../model/user.ts";
import type { Query, Sql, Tx } from "../store.ts";

export interface UserPage {
  readonly afterId: number;
  readonly limit: number;
  readonly offset: number;
}

export function findUser(sql: Sql, id: number): Query<UserRow> {
  return sql`select ${columns(sql)} from users where id = ${id}`;
}

export function findUsers(sql: Sql, ids: readonly number[]): Query<UserRow> {
  return sql`select ${columns(sql)} from users where id ${sql.among(ids)}`;
}

/** By name or email, in any case; both are ASCII. */
export function findUserNamed(sql: Sql, name: string): Query<UserRow> {
  const folded = name.toLowerCase();
  return sql`
    select ${columns(sql)} from users where lower(username) = ${folded} or lower(email) = ${folded} order by id limit 2`;
}

/** Also against those who only refer to them, as whoever makes a link for one does. */
export function lockUsersWhole(tx: Tx, ids: readonly number[]): Query<{ id: number }> {
  return tx`select id from users where id ${tx.among(ids)} order by id ${tx.forUpdateWhole}`;
}

export function listUsers(sql: Sql, page: UserPage): Query<UserRow> {
  return sql`
    select ${columns(sql)} from users where id > ${page.afterId} and id <= ${Number.MAX_SAFE_INTEGER} order by id
    limit ${page.limit} offset ${page.offset}`;
}

function columns(sql: Sql): Query<unknown> {
  return sql.names(...columnsOf(USER));
}
