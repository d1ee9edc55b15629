// Users and their keys over HTTP.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isId } from "../model/code.ts";
import { KEY, Key, keyOf, type NewKey } from "../model/key.ts";
import { ROLES } from "../model/role.ts";
import { nullable, Reason, strict, wordOf } from "../model/schema.ts";
import { type NewUser, USER, User, type UserEdit, VisibleUser } from "../model/user.ts";
import { deactivateUser } from "../operations/deactivate.ts";
import { eraseUser } from "../operations/erase.ts";
import { applyOne } from "../operations/group.ts";
import { createKey, readHolder, readKeysOf } from "../operations/keys.ts";
import { assertUser, findUserId, readUser, readUsers } from "../operations/users.ts";
import { type Answer, callerOf, noteEvent } from "./exchange.ts";
import { answerChange } from "./heard.ts";
import { readIdempotency } from "./idempotency.ts";
import { isEmptyPut, NOTHING_TO_CHANGE, type PageOnlyQuery, type ReasonBody } from "./links.ts";
import { readCursor, readPage, sendPage } from "./page.ts";
import type { Service } from "./service.ts";
import { ShownLink, showLink } from "./shown-link.ts";

export const EraseBody = Type.Union([
  Type.Object({ reason: Reason, dry_run: Type.Optional(Type.Boolean()) }, strict),
  Type.Null(),
]);

export const DeactivateBody = Type.Union([
  Type.Object(
    {
      reason: Reason,
      hand_over_to: Type.Optional(Type.Integer({ minimum: 1, description: "the user who is given all links first" })),
    },
    strict,
  ),
  Type.Null(),
]);

export const UserWithLinks = Type.Object(
  { ...VisibleUser.properties, urls: Type.Array(ShownLink, { description: "the first page, newest first" }) },
  { $id: "UserWithLinks" },
);

export const Holder = Type.Object(
  { user: nullable(User), key: nullable(Key), role: wordOf(ROLES) },
  { $id: "Holder", description: "who the caller is; without a user it is a command on the store's own host" },
);
export type Holder = Static<typeof Holder>;

/** What a handler is given of a request that names a user. */
interface Asked {
  readonly params: { readonly user: string };
  readonly request: Request;
}

/** The same of a request that changes it. */
type Changing<Body> = Asked & { readonly set: Answer; readonly body: Body };

export function userHandlers(service: Service) {
  const { core } = service;
  const answer = (asked: { request: Request; set: Answer }, user: User) =>
    answerChange(service, asked, USER.type, user);
  const userId = ({ params, request }: Asked) => findUserId(core, callerOf(request), params.user);

  async function create({ body, request, set }: { body: NewUser; request: Request; set: Answer }) {
    const idempotency = readIdempotency(request, body);
    const user = (await applyOne(core, callerOf(request), { ...body, type: "user.create" }, idempotency)) as User;
    set.status = 201;
    set.headers.location = `/users/${user.id}`;
    return answer({ request, set }, user);
  }

  async function list({ query, request, set }: { query: Static<typeof PageOnlyQuery>; request: Request; set: Answer }) {
    const { limit, offset, cursor } = readPage(query);
    const [afterId = 0] = readCursor(cursor, 1) ?? [];
    return sendPage(set, request, await readUsers(core, callerOf(request), { afterId, limit, offset }));
  }

  async function read({ params, request, set }: Asked & { readonly set: Answer }) {
    const id = await userId({ params, request });
    const { user, links } = await readUser(core, callerOf(request), id, LIMITS.pageSizeDefault);
    if (links.next) set.headers.link = `</urls?user_id=${user.id}&cursor=${links.next.join(".")}>; rel="next"`;
    return { ...user, urls: links.items.map((link) => showLink(service, link)) };
  }

  async function edit({ params, body, request, set }: Changing<Static<typeof UserEdit>>) {
    const id = await userId({ params, request });
    if (isEmptyPut(request, body)) {
      await assertUser(core, id);
      throw badRequest(NOTHING_TO_CHANGE);
    }
    const user = (await applyOne(core, callerOf(request), { ...body, type: "user.update", id })) as User;
    return answer({ request, set }, user);
  }

  async function remove({ params, body, request, set }: Changing<Static<typeof DeactivateBody>>) {
    const { user, links } = await deactivateUser(
      core,
      callerOf(request),
      await userId({ params, request }),
      body ?? {},
    );
    return { ...(await answer({ request, set }, user)), links };
  }

  async function bringBack({ params, body, request, set }: Changing<Static<typeof ReasonBody>>) {
    const command = { ...body, type: "user.restore", id: await userId({ params, request }) } as const;
    const idempotency = readIdempotency(request, body);
    return answer({ request, set }, (await applyOne(core, callerOf(request), command, idempotency)) as User);
  }

  async function erase({ params, body, request }: Asked & { readonly body: Static<typeof EraseBody> }) {
    const report = await eraseUser(core, callerOf(request), await userId({ params, request }), body ?? {});
    if (body?.dry_run !== true) noteEvent(request, USER.type, report.user);
    return report;
  }

  async function createUserKey({
    params,
    body,
    request,
    set,
  }: Asked & { readonly body: NewKey; readonly set: Answer }) {
    const key = await createKey(core, callerOf(request), await userId({ params, request }), body);
    set.status = 201;
    noteEvent(request, KEY.type, key);
    return key;
  }

  async function listUserKeys({ params, request }: Asked) {
    return readKeysOf(core, callerOf(request), await userId({ params, request }));
  }

  async function removeKey({
    params,
    body,
    request,
    set,
  }: Changing<Static<typeof ReasonBody>> & { readonly params: { readonly key: string } }) {
    if (!isId(params.key)) throw notFound(`user ${params.user.slice(0, 20)} has no such key`);
    const [user_id, id] = [await userId({ params, request }), Number(params.key)];
    const key = keyOf(await applyOne(core, callerOf(request), { ...body, type: "key.delete", id, user_id }));
    return answerChange(service, { request, set }, KEY.type, key);
  }

  async function whoami({ request }: { request: Request }): Promise<Holder> {
    const { userId: id, keyId, role } = callerOf(request);
    return id === null ? { user: null, key: null, role } : { ...(await readHolder(core, id, keyId)), role };
  }

  return {
    create,
    list,
    read,
    edit,
    remove,
    bringBack,
    erase,
    createUserKey,
    listUserKeys,
    removeKey,
    whoami,
  };
}
