// Links over HTTP: reads the request, calls the operation, shapes the answer.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { DELETE_REASONS, Event } from "../model/event.ts";
import { LINK, Link, type LinkEdit, type NewLink } from "../model/link.ts";
import { strict, wordOf } from "../model/schema.ts";
import { cleanText } from "../model/text.ts";
import { parseTime } from "../model/time.ts";
import { CLICK_GROUPS, countClicks } from "../operations/clicks.ts";
import { applyOne } from "../operations/group.ts";
import { assertLink, changeLink, readLink, readLinkAsOf, readLinkHistory, readLinks } from "../operations/links.ts";
import { type Answer, callerOf } from "./exchange.ts";
import { answerChange } from "./heard.ts";
import { readIdempotency } from "./idempotency.ts";
import { dateTime, PageQuery, readCursor, readFlag, readId, readPage, sendPage, spelled } from "./page.ts";
import { etagOf, readIfMatch } from "./precondition.ts";
import type { Service } from "./service.ts";

export const ReasonBody = Type.Union([
  Type.Object(
    { reason: Type.Optional(Type.String({ description: `for a deletion of a link: ${DELETE_REASONS.join(", ")}` })) },
    strict,
  ),
  Type.Null(),
]);

/** A link with the newest of its history. */
export const LinkWithHistory = Type.Object(
  {
    ...Link.properties,
    events: Type.Optional(
      Type.Array(Event, { maxItems: LIMITS.embeddedHistory, description: "the newest, oldest first; not with `at`" }),
    ),
    clicks: Type.Optional(Type.Integer({ description: "not with `at`" })),
  },
  { $id: "LinkWithHistory" },
);
export type LinkWithHistory = Static<typeof LinkWithHistory>;

export const ListLinksQuery = Type.Object(
  {
    user_id: spelled(Type.Integer({ description: "the owner" })),
    is_active: spelled(Type.Boolean()),
    q: spelled(Type.String({ description: "a part of the code, the title or the target, in any case" })),
    ...PageQuery,
  },
  strict,
);
export const ClicksQuery = Type.Object(
  {
    from: spelled(Type.String({ ...dateTime, description: "included; by default 30 days before `to`" })),
    to: spelled(Type.String({ ...dateTime, description: "excluded; by default now" })),
    by: spelled(wordOf(CLICK_GROUPS, { description: "default day" })),
  },
  strict,
);
export const ReadLinkQuery = Type.Object(
  { at: spelled(Type.String({ ...dateTime, description: "the link as it stood then" })) },
  strict,
);
export const PageOnlyQuery = Type.Object(PageQuery, strict);

/** What a handler is given of a request that names a link. */
interface Asked {
  readonly params: { readonly link: string };
  readonly request: Request;
  readonly set: Answer;
}

export function linkHandlers(service: Service) {
  const { core } = service;
  function answer(asked: Pick<Asked, "request" | "set">, link: Link) {
    return answerChange(service, asked, LINK.type, tagged(asked.set, link));
  }

  async function create({ body, request, set }: { body: Static<typeof NewLink>; request: Request; set: Answer }) {
    const idempotency = readIdempotency(request, body);
    const link = (await applyOne(core, callerOf(request), { ...body, type: "link.create" }, idempotency)) as Link;
    set.status = 201;
    set.headers.location = `/urls/${link.short_code}`;
    return answer({ request, set }, link);
  }

  async function list({
    query,
    request,
    set,
  }: {
    query: Static<typeof ListLinksQuery>;
    request: Request;
    set: Answer;
  }) {
    const { limit, offset, cursor } = readPage(query);
    const [createdAtMs, id] = readCursor(cursor, 2) ?? [];
    const search = query.q === undefined ? "" : cleanText("q", query.q, LIMITS.searchChars);
    const userId = readId("user_id", query.user_id);
    const isActive = readFlag("is_active", query.is_active);
    const filter = {
      ...(userId === undefined ? {} : { userId }),
      ...(isActive === undefined ? {} : { isActive }),
      ...(search === "" ? {} : { search }),
      ...(createdAtMs === undefined || id === undefined ? {} : { before: { createdAtMs, id } }),
    };
    return sendPage(set, request, await readLinks(core, filter, { limit, offset }));
  }

  async function read({
    params,
    query,
    request,
    set,
  }: Asked & { readonly query: Static<typeof ReadLinkQuery> }): Promise<LinkWithHistory> {
    if (query.at !== undefined) return readLinkAsOf(core, params.link, parseTime("at", query.at));
    const { link, events, clicks } = await readLink(core, callerOf(request), params.link);
    if (link.version > LIMITS.embeddedHistory) set.headers.link = `</urls/${link.short_code}/events>; rel="first"`;
    return { ...tagged(set, link), events: [...events], clicks };
  }

  async function edit({ params, body, request, set }: Asked & { readonly body: Static<typeof LinkEdit> }) {
    if (isEmptyPut(request, body)) {
      await assertLink(core, params.link);
      throw badRequest(NOTHING_TO_CHANGE);
    }
    const change = { ...body, ...readIfMatch(request), type: "link.update" } as const;
    return answer({ request, set }, await changeLink(core, callerOf(request), params.link, change));
  }

  /** A handler for a command that takes no more than a reason. */
  function changing(type: "link.delete" | "link.restore") {
    return async ({ params, body, request, set }: Asked & { readonly body: Static<typeof ReasonBody> }) => {
      const change = { ...body, ...readIfMatch(request), type };
      const idempotency = request.method === "POST" ? readIdempotency(request, body) : undefined;
      const link = await changeLink(core, callerOf(request), params.link, change, idempotency);
      return answer({ request, set }, link);
    };
  }

  async function history({ params, query, request, set }: Asked & { readonly query: Static<typeof PageOnlyQuery> }) {
    const { limit, offset, cursor } = readPage(query);
    const [afterVersion = 0] = readCursor(cursor, 1) ?? [];
    const page = { afterVersion, limit, offset };
    return sendPage(set, request, await readLinkHistory(core, callerOf(request), params.link, page));
  }

  function clicks({ params, query }: Pick<Asked, "params"> & { readonly query: Static<typeof ClicksQuery> }) {
    return countClicks(core, params.link, query);
  }

  return {
    create,
    clicks,
    list,
    read,
    edit,
    remove: changing("link.delete"),
    bringBack: changing("link.restore"),
    history,
  };
}

function tagged(set: Answer, link: Link): Link {
  set.headers.etag = etagOf(link.version);
  return link;
}

/** The first version's answer to a PUT that says nothing; one that says what is so already changes nothing and is no mistake. */
export function isEmptyPut(request: Request, body: object): boolean {
  return request.method === "PUT" && Object.keys(body).length === 0;
}

export const NOTHING_TO_CHANGE = "the body is empty: name at least one member to change";
