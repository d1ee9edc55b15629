// Links over HTTP: reads the request, calls the operation, shapes the answer.

import { Type } from "@sinclair/typebox";
import { type Static, t } from "elysia";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { DELETE_REASONS } from "../model/event.ts";
import { type Link, type LinkRow, linkFromRow } from "../model/link.ts";
import { cleanText } from "../model/text.ts";
import { parseTime } from "../model/time.ts";
import { restore, retire, update } from "../operations/change.ts";
import { CLICK_GROUPS, countClicks } from "../operations/count-clicks.ts";
import { findLink } from "../operations/find.ts";
import { eventFromRow, linkAsOf } from "../operations/history.ts";
import { shorten } from "../operations/shorten.ts";
import { findClicks } from "../store/queries/clicks.ts";
import { listHistory } from "../store/queries/events.ts";
import { listLinks } from "../store/queries/links.ts";
import { type Answer, callerOf } from "./exchange.ts";
import { cutPage, nextLink, PageQuery, readCursor, readId, readPage } from "./page.ts";
import { etagOf, readIfMatch } from "./precondition.ts";
import type { Service } from "./service.ts";

const strict = { additionalProperties: false } as const;

export const NewLinkBody = t.Object(
  {
    original_url: t.String({ description: `absolute http or https URL, at most ${LIMITS.urlBytes} bytes` }),
    title: t.Optional(t.String()),
    short_code: t.Optional(t.String({ description: "3-64 of A-Za-z0-9_-, not all digits; generated when absent" })),
    expires_at: t.Optional(t.Union([t.String(), t.Null()])),
    // Not t.Integer, which would take the text "1" for the number.
    user_id: t.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
    reason: t.Optional(t.String()),
  },
  strict,
);
export const EditLinkBody = t.Object(
  {
    original_url: t.Optional(t.String()),
    title: t.Optional(t.String()),
    expires_at: t.Optional(t.Union([t.String(), t.Null()])),
    is_active: t.Optional(t.Literal(false, { description: "deletes the link; POST .../restore brings it back" })),
    reason: t.Optional(t.String()),
  },
  strict,
);
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

type LinkParams = { readonly link: string };

interface Change {
  readonly params: LinkParams;
  readonly body: Static<typeof ReasonBody>;
  readonly request: Request;
  readonly set: Answer;
}

export function linkHandlers({ core }: Service) {
  const { store } = core;

  async function create({ body, request, set }: { body: Static<typeof NewLinkBody>; request: Request; set: Answer }) {
    const link = await shorten(core, callerOf(request), body);
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
    // Without a filter the newest are read from an index; with one, rows may be looked at that are not of the page.
    const isScan = search !== "" || isActive !== undefined;
    const found = await (isScan ? store.scan : store.read)((sql) =>
      listLinks(sql, {
        ...(userId === undefined ? {} : { userId }),
        ...(isActive === undefined ? {} : { isActive }),
        ...(search === "" ? {} : { search }),
        ...(createdAtMs === undefined || id === undefined ? {} : { before: { createdAtMs, id } }),
        limit: limit + 1,
        offset,
      }),
    );
    const { rows, last } = cutPage(found, limit);
    if (last) set.headers.link = nextLink(request, [last.created_at_ms, last.id]);
    return rows.map(linkFromRow);
  }

  async function read({
    params,
    query,
    request,
    set,
  }: {
    params: LinkParams;
    query: Static<typeof ReadLinkQuery>;
    request: Request;
    set: Answer;
  }) {
    const { at } = query;
    const atMs = at === undefined ? undefined : parseTime("at", at);
    const answer = await store.read(async (sql) => {
      const row = await findLink(sql, params.link);
      if (atMs !== undefined) return { row, past: await linkAsOf(sql, row, atMs) };
      const afterVersion = Math.max(0, row.version - LIMITS.embeddedHistory);
      const history = await listHistory(
        sql,
        { type: "url", id: row.id },
        { afterVersion, limit: LIMITS.embeddedHistory, offset: 0 },
      );
      const [total] = await findClicks(sql, row.id);
      return { row, history, clicks: total?.clicks ?? 0 };
    });
    if ("past" in answer) return answer.past;
    const link = tagged(set, linkFromRow(answer.row));
    if (link.version > LIMITS.embeddedHistory) set.headers.link = `</urls/${link.short_code}/events>; rel="first"`;
    return {
      ...link,
      events: answer.history.map((row) => eventFromRow(row, callerOf(request))),
      clicks: answer.clicks,
    };
  }

  async function edit({
    params,
    body,
    request,
    set,
  }: {
    params: LinkParams;
    body: Static<typeof EditLinkBody>;
    request: Request;
    set: Answer;
  }) {
    if (isEmptyPut(request, body)) {
      await store.read((sql) => findLink(sql, params.link));
      throw badRequest(NOTHING_TO_CHANGE);
    }
    return tagged(set, await update(core, callerOf(request), params.link, body, { versions: readIfMatch(request) }));
  }

  /** A handler for an operation that changes a link and takes no more than a reason. */
  function changing(operation: typeof retire | typeof restore) {
    return async ({ params, body, request, set }: Change) => {
      const versions = readIfMatch(request);
      return tagged(set, await operation(core, callerOf(request), params.link, body?.reason, { versions }));
    };
  }

  async function history({
    params,
    query,
    request,
    set,
  }: {
    params: LinkParams;
    query: Static<typeof PageOnlyQuery>;
    request: Request;
    set: Answer;
  }) {
    const { limit, offset, cursor } = readPage(query);
    const [afterVersion = 0] = readCursor(cursor, 1) ?? [];
    const found = await store.read(async (sql) => {
      const { id }: LinkRow = await findLink(sql, params.link);
      return listHistory(sql, { type: "url", id }, { afterVersion, limit: limit + 1, offset });
    });
    const { rows, last } = cutPage(found, limit);
    if (last) set.headers.link = nextLink(request, [last.version]);
    const viewer = callerOf(request);
    return rows.map((row) => eventFromRow(row, viewer));
  }

  async function clicks({ params, query }: { params: LinkParams; query: Static<typeof ClicksQuery> }) {
    return countClicks(core, params.link, query);
  }

  return { create, clicks, list, read, edit, remove: changing(retire), bringBack: changing(restore), history };
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
