// What is asked about users.

import { notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { mayKnow, type Viewer } from "../model/caller.ts";
import { isId } from "../model/code.ts";
import { type Link, linkFromRow } from "../model/link.ts";
import { showUser, type UserRow, userFromRow, type VisibleUser } from "../model/user.ts";
import { listLinks } from "../store/queries/links.ts";
import { findUser, findUserNamed, listUsers, type UserPage } from "../store/queries/users.ts";
import type { Sql } from "../store/store.ts";
import type { Core } from "./context.ts";
import { type Page, pageOf } from "./page.ts";

/** Users, oldest first. `next` is the id the page after begins behind. */
export async function readUsers({ store }: Core, viewer: Viewer, page: UserPage): Promise<Page<VisibleUser>> {
  const rows = await store.read((sql) => listUsers(sql, { ...page, limit: page.limit + 1 }));
  return pageOf(
    rows,
    page.limit,
    (row) => showUser(viewer, userFromRow(row)),
    ({ id }) => [id],
  );
}

export interface UserWithLinks {
  readonly user: VisibleUser;
  /** The first page of the user's links, newest first; `next` as readLinks() has it. */
  readonly links: Page<Link>;
}

export function readUser({ store }: Core, viewer: Viewer, id: number, limit: number): Promise<UserWithLinks> {
  return store.read(async (sql) => {
    const row = await mustFindUser(sql, id);
    const found = await listLinks(sql, { userId: row.id, limit: limit + 1, offset: 0 });
    const links = pageOf(found, limit, linkFromRow, (link) => [link.created_at_ms, link.id]);
    return { user: showUser(viewer, userFromRow(row)), links };
  });
}

/** Throws not_found. */
export async function assertUser({ store }: Core, id: number): Promise<void> {
  await store.read((sql) => mustFindUser(sql, id));
}

/** Throws not_found. */
export async function mustFindUser(sql: Sql, id: number): Promise<UserRow> {
  const [row] = await findUser(sql, id);
  if (!row) throw notFound(`no user ${id}`);
  return row;
}

/** As mustFindUserNamed() has it. An id is taken as it is: whoever uses it says whether there is such a user. */
export async function findUserId({ store }: Core, viewer: Viewer, name: string): Promise<number> {
  return isId(name) ? Number(name) : (await store.read((sql) => mustFindUserNamed(sql, viewer, name))).id;
}

/** By id, or by name in any case; by email only where the viewer may know it. Throws not_found. */
export async function mustFindUserNamed(sql: Sql, viewer: Viewer, name: string): Promise<UserRow> {
  const [row] = isId(name) ? await findUser(sql, Number(name)) : isName(name) ? await findUserNamed(sql, name) : [];
  const isByEmail = name.includes("@");
  if (!row || (isByEmail && !mayKnow(viewer, row.id))) throw notFound(`no user ${JSON.stringify(name.slice(0, 100))}`);
  return row;
}

/** What can be neither a username nor an email is not looked up: a database refuses some of it. */
function isName(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text) && text.length <= Math.max(LIMITS.usernameChars, LIMITS.emailChars);
}
