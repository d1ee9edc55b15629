// A link's past over HTTP: its history, the difference of two versions, the way back to one; and why its code redirects or not.

import { type Static, Type } from "@sinclair/typebox";
import { Reason, strict } from "../model/schema.ts";
import { formatTime, parseTime } from "../model/time.ts";
import { type Explanation, explainCode } from "../operations/explain.ts";
import { diffLink, readLinkHistory, revertLink } from "../operations/link-history.ts";
import type { CachedLink } from "../redirect/cached-link.ts";
import { callerOf } from "./exchange.ts";
import { readIdempotency } from "./idempotency.ts";
import { type Asked, answerChangedLink, type PageOnlyQuery } from "./links.ts";
import { readCount, readCursor, readPage, sendPage, spelled } from "./page.ts";
import { readIfMatch } from "./precondition.ts";
import type { Service } from "./service.ts";

export const DiffQuery = Type.Object(
  {
    from: spelled(Type.Integer({ minimum: 1, description: "a version; by default the one before `to`" })),
    to: spelled(Type.Integer({ minimum: 1, description: "a version; by default the newest" })),
  },
  strict,
);

export const RevertBody = Type.Object(
  {
    to_version: Type.Optional(Type.Integer({ minimum: 1, description: "the version to return to" })),
    at: Type.Optional(Type.String({ description: "RFC 3339: to the version there was then" })),
    reason: Reason,
  },
  strict,
);

function describeCached(known: CachedLink | null | undefined): Explanation["cached"] {
  if (known === undefined) return null;
  if (known === null) return { verdict: "missing", version: null, since: null };
  const verdict = known.outcome === "found" ? "redirects" : "inactive";
  return { verdict, version: known.version, since: formatTime(known.cachedAtMs) };
}

export function linkHistoryHandlers(service: Service) {
  const { core, redirects } = service;

  async function history({ params, query, request, set }: Asked & { readonly query: Static<typeof PageOnlyQuery> }) {
    const { limit, offset, cursor } = readPage(query);
    const [afterVersion = 0] = readCursor(cursor, 1) ?? [];
    const page = { afterVersion, limit, offset };
    return sendPage(set, request, await readLinkHistory(core, callerOf(request), params.link, page));
  }

  function diff({ params, query }: Pick<Asked, "params"> & { readonly query: Static<typeof DiffQuery> }) {
    const range = { least: 1, most: Number.MAX_SAFE_INTEGER };
    const [from, to] = [readCount("from", query.from, range), readCount("to", query.to, range)];
    const versions = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    return diffLink(core, params.link, versions);
  }

  async function revert({ params, body, request, set }: Asked & { readonly body: Static<typeof RevertBody> }) {
    const { at, ...wanted } = body;
    const asked = { ...wanted, ...readIfMatch(request), ...(at === undefined ? {} : { atMs: parseTime("at", at) }) };
    const link = await revertLink(core, callerOf(request), params.link, asked, readIdempotency(request, body));
    return answerChangedLink(service, { request, set }, link);
  }

  function explain({ params, request }: Pick<Asked, "params" | "request">): Promise<Explanation> {
    return explainCode(core, callerOf(request), params.link, describeCached(redirects.resolver.peek(params.link)));
  }

  return { history, diff, revert, explain };
}
