// Users and their keys over HTTP.

import { type Static, t } from "elysia";
import { badRequest, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { keyFromRow, Role } from "../model/key.ts";
import { isId, linkFromRow } from "../model/link.ts";
import { type UserRow, userFromRow } from "../model/user.ts";
import { showKey, showUser } from "../model/visibility.ts";
import { eraseUser } from "../operations/erase.ts";
import { createKey, deleteKey } from "../operations/keys.ts";
import { createUser, deactivateUser, editUser, restoreUser } from "../operations/users.ts";
import { listKeysOf } from "../store/queries/keys.ts";
import { listLinks } from "../store/queries/links.ts";
import { findUser, listUsers } from "../store/queries/users.ts";
import type { Sql } from "../store/store.ts";
import { type Answer, callerOf } from "./exchange.ts";
import { isEmptyPut, NOTHING_TO_CHANGE, type PageOnlyQuery, type ReasonBody } from "./links.ts";
import { cutPage, nextLink, readCursor, readPage } from "./page.ts";
import type { Service } from "./service.ts";

const strict = { additionalProperties: false } as const;

export const NewUserBody = t.Object(
  { username: t.String(), email: t.String(), reason: t.Optional(t.String()) },
  strict,
);
export const EditUserBody = t.Object(
  { username: t.Optional(t.String()), email: t.Optional(t.String()), reason: t.Optional(t.String()) },
  strict,
);
export const NewKeyBody = t.Object(
  {
    name: t.String(),
    role: t.Unsafe<Role>(Role),
    expires_at: t.Optional(t.Union([t.String(), t.Null()])),
    reason: t.Optional(t.String()),
  },
  strict,
);

export const EraseBody = t.Union([
  t.Object({ reason: t.Optional(t.String()), dry_run: t.Optional(t.Boolean()) }, strict),
  t.Null(),
]);

type UserParams = { readonly user: string };

export function userHandlers({ core }: Service) {
  const { store } = core;

  async function create({ body, request, set }: { body: Static<typeof NewUserBody>; request: Request; set: Answer }) {
    const user = await createUser(core, callerOf(request), body);
    set.status = 201;
    set.headers.location = `/users/${user.id}`;
    return user;
  }

  async function list({ query, request, set }: { query: Static<typeof PageOnlyQuery>; request: Request; set: Answer }) {
    const { limit, offset, cursor } = readPage(query);
    const [afterId = 0] = readCursor(cursor, 1) ?? [];
    const { rows, last } = cutPage(
      await store.read((sql) => listUsers(sql, { afterId, limit: limit + 1, offset })),
      limit,
    );
    if (last) set.headers.link = nextLink(request, [last.id]);
    const viewer = callerOf(request);
    return rows.map((row) => showUser(viewer, userFromRow(row)));
  }

  async function read({ params, request, set }: { params: UserParams; request: Request; set: Answer }) {
    const limit = LIMITS.pageSizeDefault;
    const { user, found } = await store.read(async (sql) => {
      const row = await mustFindUser(sql, params.user);
      return { user: row, found: await listLinks(sql, { userId: row.id, limit: limit + 1, offset: 0 }) };
    });
    const { rows, last } = cutPage(found, limit);
    if (last) set.headers.link = `</urls?user_id=${user.id}&cursor=${last.created_at_ms}.${last.id}>; rel="next"`;
    return { ...showUser(callerOf(request), userFromRow(user)), urls: rows.map(linkFromRow) };
  }

  async function edit({
    params,
    body,
    request,
  }: {
    params: UserParams;
    body: Static<typeof EditUserBody>;
    request: Request;
  }) {
    if (isEmptyPut(request, body)) {
      await store.read((sql) => mustFindUser(sql, params.user));
      throw badRequest(NOTHING_TO_CHANGE);
    }
    return editUser(core, callerOf(request), userId(params.user), body);
  }

  /** A handler for an operation that changes a user and takes no more than a reason. */
  function changing(operation: typeof deactivateUser | typeof restoreUser) {
    return ({ params, body, request }: { params: UserParams; body: Static<typeof ReasonBody>; request: Request }) =>
      operation(core, callerOf(request), userId(params.user), body?.reason);
  }

  function erase({ params, body, request }: { params: UserParams; body: Static<typeof EraseBody>; request: Request }) {
    return eraseUser(core, callerOf(request), userId(params.user), body ?? {});
  }

  async function createUserKey({
    params,
    body,
    request,
    set,
  }: {
    params: UserParams;
    body: Static<typeof NewKeyBody>;
    request: Request;
    set: Answer;
  }) {
    const key = await createKey(core, callerOf(request), userId(params.user), body);
    set.status = 201;
    return key;
  }

  async function listUserKeys({ params, request }: { params: UserParams; request: Request }) {
    const viewer = callerOf(request);
    return store.read(async (sql) => {
      const { id, username } = await mustFindUser(sql, params.user);
      return (await listKeysOf(sql, id)).map((row) => showKey(viewer, keyFromRow(row), username));
    });
  }

  function removeKey({
    params,
    body,
    request,
  }: {
    params: UserParams & { readonly key: string };
    body: Static<typeof ReasonBody>;
    request: Request;
  }) {
    if (!isId(params.key)) throw notFound(`user ${params.user.slice(0, 20)} has no such key`);
    return deleteKey(core, callerOf(request), userId(params.user), Number(params.key), body?.reason);
  }

  async function whoami({ request }: { request: Request }) {
    const { userId: id, keyId, role } = callerOf(request);
    if (id === null) return { user: null, key: null, role };
    const { user, keys } = await store.read(async (sql) => ({
      user: await mustFindUser(sql, String(id)),
      keys: await listKeysOf(sql, id),
    }));
    const key = keys.find((row) => row.id === keyId);
    return { user: userFromRow(user), key: key ? keyFromRow(key) : null, role };
  }

  return {
    create,
    list,
    read,
    edit,
    remove: changing(deactivateUser),
    bringBack: changing(restoreUser),
    erase,
    createUserKey,
    listUserKeys,
    removeKey,
    whoami,
  };
}

function userId(text: string): number {
  if (!isId(text)) throw notFound(`no user ${JSON.stringify(text.slice(0, 20))}`);
  return Number(text);
}

async function mustFindUser(sql: Sql, text: string): Promise<UserRow> {
  const [row] = await findUser(sql, userId(text));
  if (!row) throw notFound(`no user ${text}`);
  return row;
}
