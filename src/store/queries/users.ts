// Every statement about users.

import type { UserRow } from "../../model/user.ts";
import type { Query, Sql, Tx } from "../store.ts";

export interface UserPage {
  readonly afterId: number;
  readonly limit: number;
  readonly offset: number;
}

export function nextUserId(tx: Tx): Query<{ id: number }> {
  return tx`select ${tx.nextId("users")} as id`;
}

export function insertUser(tx: Tx, user: UserRow): Query<unknown> {
  return tx`
    insert into users (id, username, email, is_active, created_at_ms, updated_at_ms, version, head)
    values (${user.id}, ${user.username}, ${user.email}, ${user.is_active}, ${user.created_at_ms}, ${user.updated_at_ms},
            ${user.version}, ${user.head})`;
}

export function updateUser(tx: Tx, user: UserRow): Query<unknown> {
  return tx`
    update users set username = ${user.username}, email = ${user.email}, is_active = ${user.is_active},
                     updated_at_ms = ${user.updated_at_ms}, version = ${user.version}, head = ${user.head}
    where id = ${user.id}`;
}

export function lockUser(tx: Tx, id: number): Query<UserRow> {
  return tx`select ${columns(tx)} from users where id = ${id} ${tx.forUpdate}`;
}

export function findUser(sql: Sql, id: number): Query<UserRow> {
  return sql`select ${columns(sql)} from users where id = ${id}`;
}

export function listUsers(sql: Sql, page: UserPage): Query<UserRow> {
  return sql`
    select ${columns(sql)} from users where id > ${page.afterId} and id <= ${Number.MAX_SAFE_INTEGER} order by id
    limit ${page.limit} offset ${page.offset}`;
}

function columns(sql: Sql): Query<unknown> {
  return sql`id, username, email, is_active, created_at_ms, updated_at_ms, version, head`;
}
