// Tags over all links: which there are, and one that takes another's place, link by link, each with an event of its own.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, conflict, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { checkReason } from "../model/event.ts";
import { LINK_TAGS } from "../model/link-sides.ts";
import { strict } from "../model/schema.ts";
import { checkTag, tagKey } from "../model/tags.ts";
import { countTagged, findTagged, listTagged, listTags } from "../store/queries/tags.ts";
import type { Sql } from "../store/store.ts";
import { beginBatch, type Pacing } from "./bulk.ts";
import type { Core } from "./context.ts";
import { pageOf } from "./page.ts";
import { assertComplete } from "./side-tables.ts";

export const Tag = Type.Object(
  { tag: Type.String(), links: Type.Integer({ description: "how many links bear it, inactive ones included" }) },
  { $id: "Tag" },
);
export type Tag = Static<typeof Tag>;

/** Tags by name, past `after`; `next` is the name of the last one. */
export async function readTags(
  { store }: Core,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<{ readonly items: Tag[]; readonly next: string | undefined }> {
  const rows = await store.scan(async (sql) => {
    await assertComplete(sql, LINK_TAGS);
    return listTags(sql, tagKey(after), limit + 1);
  });
  const { items, next } = pageOf(
    rows,
    limit,
    ({ tag, links }): Tag => ({ tag, links }),
    () => [],
  );
  return { items, next: next && items.at(-1)?.tag };
}

export const RenameTag = Type.Object(
  {
    from: Type.String(),
    to: Type.String(),
    merge: Type.Optional(
      Type.Boolean({ description: "whether links may bear `to` already; also to go on after an interruption" }),
    ),
    dry_run: Type.Optional(Type.Boolean({ description: "only counts" })),
    reason: Type.Optional(Type.String({ description: "why; kept in each event" })),
  },
  strict,
);
export type RenameTag = Static<typeof RenameTag>;

export const RenamedTag = Type.Object(
  {
    from: Type.String(),
    to: Type.String(),
    changed: Type.Integer({ description: "links that this request has changed" }),
    left: Type.Integer({
      description: "links that still bear `from`: repeat the request with merge until there are none",
    }),
  },
  { $id: "RenamedTag" },
);
export type RenamedTag = Static<typeof RenamedTag>;

/**
 * Renames a tag on at most LIMITS.retagRows links, a batch a transaction: what is left is what still bears the old one, so that it
 * is resumed by asking again. Throws not_found for a tag that no link has, conflict where links
 * have the other already and it is not to be merged.
 */
export async function renameTag(core: Core, caller: Caller, wanted: RenameTag, pace: Pacing): Promise<RenamedTag> {
  const [from, to] = [checkTag(wanted.from), checkTag(wanted.to)];
  const reason = checkReason(wanted.reason) ?? `tag ${from} renamed to ${to}`;
  const left = await core.store.scan((sql) => countLeft(sql, from, to, wanted.merge ?? false));
  if (wanted.dry_run) return { from, to, changed: 0, left };
  let changed = 0;
  for (let afterId = 0; changed < LIMITS.retagRows; ) {
    const beganMs = core.clock.monotonic();
    const limit = Math.min(pace.size, LIMITS.retagRows - changed);
    const rows = await core.store.read((sql) => listTagged(sql, { key: tagKey(from), notAs: to, afterId }, limit));
    const asks = rows.map(({ url_id }) => ({
      caller,
      command: { type: "link.retag", id: url_id, from, to, reason } as const,
    }));
    if (asks.length === 0) break;
    for (const result of await beginBatch(core, asks, { isDryRun: false }).results) {
      // A link that lost the tag meanwhile is no failure; whoever may not change it may change none.
      if ("refusal" in result) throw result.refusal;
      if (result.outcome.isChanged) changed += 1;
    }
    afterId = rows.at(-1)?.url_id ?? afterId;
    await pace.rest(core.clock.monotonic() - beganMs);
  }
  return { from, to, changed, left: Math.max(0, left - changed) };
}

async function countLeft(sql: Sql, from: string, to: string, isMerging: boolean): Promise<number> {
  await assertComplete(sql, LINK_TAGS);
  if (from === to) throw badRequest("to: is the same tag");
  const isOther = tagKey(from) !== tagKey(to);
  const [count] = await countTagged(sql, tagKey(from), to);
  if (!count?.links && (await findTagged(sql, tagKey(from))).length === 0)
    throw notFound(`no link has the tag ${JSON.stringify(from)}`);
  if (isOther && !isMerging && (await findTagged(sql, tagKey(to))).length > 0)
    throw conflict(`links have the tag ${JSON.stringify(to)} already`, "say merge to put both under it, or to go on");
  return count?.links ?? 0;
}
