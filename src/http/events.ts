// The audit log over HTTP: read only. Only changes write it.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isCode, isId } from "../model/code.ts";
import { EVENT_TYPES, type EventType, parseEventName } from "../model/event.ts";
import { strict, wordOf } from "../model/schema.ts";
import { checkTag, tagKey } from "../model/tags.ts";
import { cleanText } from "../model/text.ts";
import { parseTime } from "../model/time.ts";
import { type EventRef, readDisclosures, readEvent, readEvents } from "../operations/events.ts";
import { type Answer, callerOf, isRequestId } from "./exchange.ts";
import { dateTime, PageQuery, readCursor, readId, readPage, sendPage, spelled } from "./page.ts";
import type { Service } from "./service.ts";

export const ListEventsQuery = Type.Object(
  {
    url_id: spelled(Type.Integer()),
    short_code: spelled(Type.String()),
    user_id: spelled(Type.Integer({ description: "who did it" })),
    user: spelled(Type.String({ description: "the same by name or email" })),
    key_id: spelled(Type.Integer({ description: "the key it was done with; without `since` in the last 30 days" })),
    tag: spelled(Type.String({ description: "of links that have this tag now" })),
    event_type: spelled(wordOf(EVENT_TYPES)),
    since: spelled(Type.String({ ...dateTime, description: "included" })),
    until: spelled(Type.String({ ...dateTime, description: "excluded" })),
    request_id: spelled(
      Type.String({ description: "of the request that did it; without `since` those of the last 24 hours" }),
    ),
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
    return sendPage(set, request, await readEvents(core, callerOf(request), readFilter(query, core.clock.now()), page));
  }

  function read({ params, request }: { params: { readonly id: string }; request: Request }) {
    return readEvent(core, callerOf(request), eventRef(params.id));
  }

  /** The texts whose digests the leaf holds, verbatim; null where one was erased, or is hidden from who asks. */
  function disclosures({ params, request }: { params: { readonly id: string }; request: Request }) {
    return readDisclosures(core, callerOf(request), eventRef(params.id));
  }

  return { list, read, disclosures };
}

/** Throws not_found for what names no event. */
export function eventRef(text: string): EventRef {
  const ref = isId(text) ? Number(text) : parseEventName(text);
  if (ref === undefined) throw notFound(`no event ${JSON.stringify(text.slice(0, 20))}`);
  return ref;
}

/** No index has what a request was called, nor which key it came with: without a bound all of history would be read. */
function lookBack({ request_id, key_id }: Static<typeof ListEventsQuery>, nowMs: number): { sinceMs?: number } {
  if (request_id !== undefined) return { sinceMs: nowMs - LIMITS.requestIdSearchMs };
  return key_id === undefined ? {} : { sinceMs: nowMs - LIMITS.keySearchMs };
}

function readRequestId(text: string): string {
  if (!isRequestId(text))
    throw badRequest(`request_id: must be 1 to ${LIMITS.requestIdChars} visible ASCII characters`);
  return text;
}

function readFilter(query: Static<typeof ListEventsQuery>, nowMs: number) {
  const urlId = readId("url_id", query.url_id);
  const userId = readId("user_id", query.user_id);
  const keyId = readId("key_id", query.key_id);
  const { event_type: type, short_code: code } = query;
  if (type !== undefined && !(EVENT_TYPES as readonly string[]).includes(type))
    throw badRequest(`event_type: must be one of ${EVENT_TYPES.join(", ")}`);
  return {
    ...(urlId === undefined ? {} : { urlId }),
    ...(userId === undefined ? {} : { userId }),
    ...(query.user === undefined ? {} : { user: cleanText("user", query.user, LIMITS.emailChars) }),
    ...(keyId === undefined ? {} : { keyId }),
    ...(query.tag === undefined ? {} : { tagKey: tagKey(checkTag(query.tag)) }),
    ...(type === undefined ? {} : { type: type as EventType }),
    // What cannot be a code belongs to no link; the empty text is looked up and matches none.
    ...(code === undefined ? {} : { code: isCode(code) ? code : "" }),
    ...(query.since === undefined ? lookBack(query, nowMs) : { sinceMs: parseTime("since", query.since) }),
    ...(query.request_id === undefined ? {} : { requestId: readRequestId(query.request_id) }),
    ...(query.until === undefined ? {} : { untilMs: parseTime("until", query.until) }),
  };
}
