// Finding what an operation is about: a link by its code or id, a user that may still act.

import { notFound } from "../errors.ts";
import type { LinkRow } from "../model/link.ts";
import type { UserRow } from "../model/user.ts";
import { lookUpLink } from "../store/queries/links.ts";
import { lockUser } from "../store/queries/users.ts";
import type { Sql, Tx } from "../store/store.ts";

/** All digits read as an id, all else as a code. Throws not_found. */
export async function findLink(sql: Sql, codeOrId: string): Promise<LinkRow> {
  const [row] = await lookUpLink(sql, codeOrId);
  if (!row) throw notFound(`no link ${JSON.stringify(codeOrId.slice(0, 100))}`);
  return row;
}

/** Locks the user's row. Throws not_found for a missing or inactive user. */
export async function lockActiveUser(tx: Tx, id: number): Promise<UserRow> {
  const [row] = await lockUser(tx, id);
  if (!row) throw notFound(`no user ${id}`);
  if (row.is_active === 0) throw notFound(`user "${row.username}" is inactive`);
  return row;
}
