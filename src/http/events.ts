// The audit log over HTTP: read only. Only changes write it.

import { type Static, t } from "elysia";
import { badRequest, notFound } from "../errors.ts";
import { EVENT_TYPES, type EventType } from "../model/event.ts";
import { isCode, isId } from "../model/link.ts";
import { parseTime } from "../model/time.ts";
import { eventFromRow } from "../operations/history.ts";
import { findEvent, listEvents } from "../store/queries/events.ts";
import { findLinkByCode } from "../store/queries/links.ts";
import { type Answer, callerOf } from "./exchange.ts";
import { cutPage, nextLink, PageQuery, readCursor, readId, readPage } from "./page.ts";
import type { Service } from "./service.ts";

export const ListEventsQuery = t.Object(
  {
    url_id: t.Optional(t.String()),
    short_code: t.Optional(t.String()),
    user_id: t.Optional(t.String({ description: "who did it" })),
    event_type: t.Optional(t.String({ description: EVENT_TYPES.join(", ") })),
    since: t.Optional(t.String({ description: "RFC 3339, included" })),
    until: t.Optional(t.String({ description: "RFC 3339, excluded" })),
    ...PageQuery,
  },
  { additionalProperties: false },
);

export function eventHandlers({ core: { store } }: Service) {
  async function list({
    query,
    request,
    set,
  }: {
    query: Static<typeof ListEventsQuery>;
    request: Request;
    set: Answer;
  }) {
    const { limit, offset, cursor } = readPage(query);
    const [atMs, id] = readCursor(cursor, 2) ?? [];
    const filter = readFilter(query);
    const isScan = Object.keys(filter).length > 0;
    const found = await (isScan ? store.scan : store.read)(async (sql) => {
      const { code, ...rest } = filter;
      const link = code === undefined ? undefined : (await findLinkByCode(sql, code))[0];
      const urlId = link?.id ?? rest.urlId;
      // A code nobody has, or one that belongs to another id than the one asked for, has no events.
      if (code !== undefined && (!link || (rest.urlId !== undefined && rest.urlId !== link.id))) return [];
      return listEvents(sql, {
        ...rest,
        ...(urlId === undefined ? {} : { urlId }),
        ...(atMs === undefined || id === undefined ? {} : { before: { atMs, id } }),
        limit: limit + 1,
        offset,
      });
    });
    const { rows, last } = cutPage(found, limit);
    if (last) set.headers.link = nextLink(request, [last.at_ms, last.id]);
    const viewer = callerOf(request);
    return rows.map((row) => eventFromRow(row, viewer));
  }

  async function read({ params, request }: { params: { readonly id: string }; request: Request }) {
    const { id } = params;
    const [row] = isId(id) ? await store.read((sql) => findEvent(sql, Number(id))) : [];
    if (!row) throw notFound(`no event ${JSON.stringify(id.slice(0, 20))}`);
    return eventFromRow(row, callerOf(request));
  }

  return { list, read };
}

function readFilter(query: Static<typeof ListEventsQuery>) {
  const urlId = readId("url_id", query.url_id);
  const userId = readId("user_id", query.user_id);
  const { event_type: type, short_code: code } = query;
  if (type !== undefined && !(EVENT_TYPES as readonly string[]).includes(type))
    throw badRequest(`event_type: must be one of ${EVENT_TYPES.join(", ")}`);
  return {
    ...(urlId === undefined ? {} : { urlId }),
    ...(userId === undefined ? {} : { userId }),
    ...(type === undefined ? {} : { type: type as EventType }),
    // What cannot be a code belongs to no link; the empty text is looked up as one that nobody has.
    ...(code === undefined ? {} : { code: isCode(code) ? code : "" }),
    ...(query.since === undefined ? {} : { sinceMs: parseTime("since", query.since) }),
    ...(query.until === undefined ? {} : { untilMs: parseTime("until", query.until) }),
  };
}
