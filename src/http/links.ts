// Links over HTTP: reads the request, calls the operation, shapes the answer.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { DELETE_REASONS, Event } from "../model/event.ts";
import { type Link, type LinkEdit, NewLink } from "../model/link.ts";
import { LINK } from "../model/link-subject.ts";
import { nullable, strict, wordOf } from "../model/schema.ts";
import { checkTag, tagKey } from "../model/tags.ts";
import { cleanText } from "../model/text.ts";
import { parseTime } from "../model/time.ts";
import { CLICK_GROUPS, countClicks } from "../operations/clicks.ts";
import { findOrMakeLink } from "../operations/find-link.ts";
import { applyOne } from "../operations/group.ts";
import { readLinkAsOf } from "../operations/link-history.ts";
import {
  changeLink,
  INCLUDES,
  type Include,
  readBeside,
  readLink,
  readLinkRow,
  readLinks,
} from "../operations/links.ts";
import { type Answer, callerOf } from "./exchange.ts";
import { answerChange } from "./heard.ts";
import { readIdempotency } from "./idempotency.ts";
import { dateTime, PageQuery, readCursor, readFlag, readId, readPage, sendPage, spelled } from "./page.ts";
import { etagOf, readIfMatch } from "./precondition.ts";
import type { Service } from "./service.ts";
import { ShownLink, showChangedLink, showLink } from "./shown-link.ts";

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
    ...ShownLink.properties,
    events: Type.Optional(
      Type.Array(Event, { maxItems: LIMITS.embeddedHistory, description: "the newest, oldest first; not with `at`" }),
    ),
    clicks: Type.Optional(Type.Integer({ description: "not with `at`" })),
  },
  { $id: "LinkWithHistory" },
);
export type LinkWithHistory = Static<typeof LinkWithHistory>;

/** A link in a list. */
export const ListedLink = Type.Object(
  {
    ...ShownLink.properties,
    clicks: Type.Optional(Type.Integer({ description: "by people, ever; with include=clicks" })),
    owner: Type.Optional(nullable(Type.String({ description: "the owner's name; with include=owner" }))),
  },
  { $id: "ListedLink" },
);
export type ListedLink = Static<typeof ListedLink>;

export const ListLinksQuery = Type.Object(
  {
    user_id: spelled(Type.Integer({ description: "the owner" })),
    is_active: spelled(Type.Boolean()),
    q: spelled(Type.String({ description: "a part of the code, the title or the target, in any case" })),
    tag: spelled(Type.String({ description: "given more than once, or as a,b: links with all of them" })),
    include: spelled(
      wordOf(INCLUDES, { description: "what each link is given beside itself; several between commas" }),
    ),
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

/** What makes a link, or finds one that is the same. */
export const NewLinkBody = Type.Object(
  {
    ...NewLink.properties,
    find_existing: Type.Optional(
      Type.Boolean({ description: "answer the caller's live link with the same target and options, if there is one" }),
    ),
  },
  strict,
);

/** What a handler is given of a request that names a link. */
export interface Asked {
  readonly params: { readonly link: string };
  readonly request: Request;
  readonly set: Answer;
}

export function linkHandlers(service: Service) {
  const { core } = service;
  const answer = (asked: Pick<Asked, "request" | "set">, link: Link) => answerChangedLink(service, asked, link);

  async function create({ body, request, set }: { body: Static<typeof NewLinkBody>; request: Request; set: Answer }) {
    const { find_existing: mayExist = false, ...members } = body;
    const idempotency = readIdempotency(request, body);
    const command = { ...members, type: "link.create" } as const;
    if (mayExist) {
      if (idempotency !== undefined)
        throw badRequest("Idempotency-Key: not with find_existing, which may be repeated as it is");
      const { link, isFound } = await findOrMakeLink(core, callerOf(request), command);
      if (!isFound) set.status = 201;
      set.headers.location = `/urls/${link.short_code}`;
      return isFound ? showChangedLink(service, withTag(set, link)) : answer({ request, set }, link);
    }
    const link = (await applyOne(core, callerOf(request), command, idempotency)) as Link;
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
    const tags = new URL(request.url).searchParams.getAll("tag").flatMap((text) => text.split(","));
    if (tags.length > LIMITS.tagsPerLink) throw badRequest(`tag: at most ${LIMITS.tagsPerLink}`);
    const filter = {
      ...(userId === undefined ? {} : { userId }),
      ...(isActive === undefined ? {} : { isActive }),
      ...(search === "" ? {} : { search }),
      ...(tags.length === 0 ? {} : { tagKeys: tags.map((tag) => tagKey(checkTag(tag))) }),
      ...(createdAtMs === undefined || id === undefined ? {} : { before: { createdAtMs, id } }),
    };
    const includes = readIncludes(query.include);
    const { items, next } = await readLinks(core, filter, { limit, offset });
    const { clicksOf, ownerOf } = await readBeside(core, items, includes);
    const shown = items.map((link) => ({
      ...showLink(service, link),
      ...(includes.includes("clicks") ? { clicks: clicksOf(link) } : {}),
      ...(includes.includes("owner") ? { owner: ownerOf(link) } : {}),
    }));
    return sendPage(set, request, { items: shown, next });
  }

  async function read({
    params,
    query,
    request,
    set,
  }: Asked & { readonly query: Static<typeof ReadLinkQuery> }): Promise<LinkWithHistory> {
    if (query.at !== undefined)
      return showLink(service, await readLinkAsOf(core, params.link, parseTime("at", query.at)));
    const { link, events, clicks } = await readLink(core, callerOf(request), params.link);
    if (link.version > LIMITS.embeddedHistory) set.headers.link = `</urls/${link.short_code}/events>; rel="first"`;
    return { ...showLink(service, withTag(set, link)), events: [...events], clicks };
  }

  async function edit({ params, body, request, set }: Asked & { readonly body: Static<typeof LinkEdit> }) {
    if (isEmptyPut(request, body)) {
      await readLinkRow(core, params.link);
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
  };
}

/** Throws bad_request for a word that names nothing that a list could give. */
function readIncludes(text = ""): readonly Include[] {
  return text
    .split(",")
    .filter((word) => word !== "")
    .map((word) => {
      const include = INCLUDES.find((each) => each === word);
      if (include === undefined) throw badRequest(`include: must be of ${INCLUDES.join(", ")}`);
      return include;
    });
}

/** Every change of a link is answered so. */
export function answerChangedLink(service: Service, asked: Pick<Asked, "request" | "set">, link: Link) {
  return answerChange(service, asked, LINK.type, showChangedLink(service, withTag(asked.set, link)));
}

/** The link, whose version the answer's ETag says (RFC 9110 section 8.8.3). */
function withTag(set: Answer, link: Link): Link {
  set.headers.etag = etagOf(link.version);
  return link;
}

/** The first version's answer to a PUT that says nothing; one that says what is so already changes nothing and is no mistake. */
export function isEmptyPut(request: Request, body: object): boolean {
  return request.method === "PUT" && Object.keys(body).length === 0;
}

export const NOTHING_TO_CHANGE = "the body is empty: name at least one member to change";
