// Links over HTTP: reads the request, calls the operation, shapes the answer.

import { type Static, t } from "elysia";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { DELETE_REASONS } from "../model/event.ts";
import type { Link, LinkEdit, NewLink } from "../model/link.ts";
import { cleanText } from "../model/text.ts";
import { parseTime } from "../model/time.ts";
import { applyOne } from "../operations/apply.ts";
import { CLICK_GROUPS, countClicks } from "../operations/clicks.ts";
import { assertLink, changeLink, readLink, readLinkAsOf, readLinkHistory, readLinks } from "../operations/links.ts";
import { type Answer, callerOf } from "./exchange.ts";
import { PageQuery, readCursor, readId, readPage, sendPage } from "./page.ts";
import { etagOf, readIfMatch } from "./precondition.ts";
import type { Service } from "./service.ts";

const strict = { additionalProperties: false } as const;

export const ReasonBody = t.Union([
  t.Object({ reason: t.Optional(t.String({ description: `for a deletion: ${DELETE_REASONS.join(", ")}` })) }, strict),
  t.Null(),
]);
export const ListLinksQuery = t.Object(
  { user_id: t.Optional(t.String()), is_active: t.Optional(t.String()), q: t.Optional(t.String()), ...PageQuery },
  strict,
);
export const ClicksQuery = t.Object(
  {
    from: t.Optional(t.String({ description: "RFC 3339, included; by default 30 days before `to`" })),
    to: t.Optional(t.String({ description: "RFC 3339, excluded; by default now" })),
    by: t.Optional(t.String({ description: `${CLICK_GROUPS.join(", ")}; default day` })),
  },
  strict,
);
export const ReadLinkQuery = t.Object(
  { at: t.Optional(t.String({ description: "RFC 3339: the link as it stood then" })) },
  strict,
);
export const PageOnlyQuery = t.Object(PageQuery, strict);

/** What a handler is given of a request that names a link. */
interface Asked {
  readonly params: { readonly link: string };
  readonly request: Request;
  readonly set: Answer;
}

export function linkHandlers({ core }: Service) {
  async function create({ body, request, set }: { body: Static<typeof NewLink>; request: Request; set: Answer }) {
    const link = (await applyOne(core, callerOf(request), { ...body, type: "link.create" })) as Link;
    set.status = 201;
    set.headers.location = `/urls/${link.short_code}`;
    return tagged(set, link);
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

  async function read({ params, query, request, set }: Asked & { readonly query: Static<typeof ReadLinkQuery> }) {
    if (query.at !== undefined) return readLinkAsOf(core, params.link, parseTime("at", query.at));
    const { link, events, clicks } = await readLink(core, callerOf(request), params.link);
    if (link.version > LIMITS.embeddedHistory) set.headers.link = `</urls/${link.short_code}/events>; rel="first"`;
    return { ...tagged(set, link), events, clicks };
  }

  async function edit({ params, body, request, set }: Asked & { readonly body: Static<typeof LinkEdit> }) {
    if (isEmptyPut(request, body)) {
      await assertLink(core, params.link);
      throw badRequest(NOTHING_TO_CHANGE);
    }
    const change = { ...body, ...readIfMatch(request), type: "link.update" } as const;
    return tagged(set, await changeLink(core, callerOf(request), params.link, change));
  }

  /** A handler for a command that takes no more than a reason. */
  function changing(type: "link.delete" | "link.restore") {
    return async ({ params, body, request, set }: Asked & { readonly body: Static<typeof ReasonBody> }) => {
      const change = { ...body, ...readIfMatch(request), type };
      return tagged(set, await changeLink(core, callerOf(request), params.link, change));
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

function readFlag(field: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (text !== "true" && text !== "false") throw badRequest(`${field}: must be true or false`);
  return text === "true";
}
