// Tags over HTTP.

import { type Static, Type } from "@sinclair/typebox";
import { LIMITS } from "../limits.ts";
import { strict } from "../model/schema.ts";
import { cleanText } from "../model/text.ts";
import { type RenameTag, readTags, renameTag } from "../operations/tags.ts";
import { type Answer, allowIdle, callerOf } from "./exchange.ts";
import { Pace } from "./pace.ts";
import { PageQuery, readPage, spelled } from "./page.ts";
import type { Service } from "./service.ts";

export const ListTagsQuery = Type.Object(
  { after: spelled(Type.String({ description: "the last tag of the page before" })), per_page: PageQuery.per_page },
  strict,
);

export function tagHandlers(service: Service) {
  const { core } = service;

  async function list({ query, set }: { query: Static<typeof ListTagsQuery>; set: Answer }) {
    const { limit } = readPage(query);
    const after = query.after === undefined ? "" : cleanText("after", query.after, LIMITS.tagChars);
    const { items, next } = await readTags(core, { after, limit });
    if (next !== undefined)
      set.headers.link = `</api/tags?${new URLSearchParams({ after: next, per_page: String(limit) })}>; rel="next"`;
    return items;
  }

  /** So many links a request that none takes long: who asks repeats it until none is left. */
  function rename({ body, request }: { body: RenameTag; request: Request }) {
    allowIdle(request, Math.ceil(LIMITS.paceMs / 1000) * 2);
    return renameTag(core, callerOf(request), body, new Pace(service));
  }

  return { list, rename };
}
