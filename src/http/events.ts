// The audit log over HTTP: read only. Only changes write it.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, notFound } from "../errors.ts";
import { isCode, isId } from "../model/code.ts";
import { EVENT_TYPES, type EventType } from "../model/event.ts";
import { strict, wordOf } from "../model/schema.ts";
import { parseTime } from "../model/time.ts";
import { readDisclosures, readEvent, readEvents } from "../operations/events.ts";
import { type Answer, callerOf } from "./exchange.ts";
import { dateTime, PageQuery, readCursor, readId, readPage, sendPage, spelled } from "./page.ts";
import type { Service } from "./service.ts";

export const ListEventsQuery = Type.Object(
  {
    url_id: spelled(Type.Integer()),
    short_code: spelled(Type.String()),
    user_id: spelled(Type.Integer({ description: "who did it" })),
    event_type: spelled(wordOf(EVENT_TYPES)),
    since: spelled(Type.String({ ...dateTime, description: "included" })),
    until: spelled(Type.String({ ...dateTime, description: "excluded" })),
    ...PageQuery,
  },
  strict,
);

export function eventHandlers({ core }: Service) {
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
    const before = atMs === undefined || id === undefined ? {} : { before: { atMs, id } };
    const page = { limit, offset, ...before };
    return sendPage(set, request, await readEvents(core, callerOf(request), readFilter(query), page));
  }

  function read({ params, request }: { params: { readonly id: string }; request: Request }) {
    return readEvent(core, callerOf(request), eventId(params.id));
  }

  /** The texts whose digests the leaf holds, verbatim; null where one was erased, or is hidden from who asks. */
  function disclosures({ params, request }: { params: { readonly id: string }; request: Request }) {
    return readDisclosures(core, callerOf(request), eventId(params.id));
  }

  return { list, read, disclosures };
}

/** Throws not_found for what can be no event's id. */
export function eventId(text: string): number {
  if (!isId(text)) throw notFound(`no event ${JSON.stringify(text.slice(0, 20))}`);
  return Number(text);
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
    // What cannot be a code belongs to no link; the empty text is looked up and matches none.
    ...(code === undefined ? {} : { code: isCode(code) ? code : "" }),
    ...(query.since === undefined ? {} : { sinceMs: parseTime("since", query.since) }),
    ...(query.until === undefined ? {} : { untilMs: parseTime("until", query.until) }),
  };
}
