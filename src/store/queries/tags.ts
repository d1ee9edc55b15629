// Every statement about tags, which follow from links (link-sides.ts): whoever asks has made sure that the table is complete.

import type { Query, Sql } from "../store.ts";

export interface TagCount {
  readonly tag_key: string;
  readonly tag: string;
  readonly links: number;
}

/** Tags in the order of their keys; counts every link that bears one, so it reads as many rows as there are. */
export function listTags(sql: Sql, afterKey: string, limit: number): Query<TagCount> {
  return sql`
    select tag_key, min(tag) as tag, count(*) as links from link_tags
    where tag_key > ${afterKey} group by tag_key order by tag_key limit ${limit}`;
}

/** The first links past `afterId` that bear a tag, but not written as `tag`. */
export function listTagged(
  sql: Sql,
  { key, notAs, afterId }: { readonly key: string; readonly notAs: string; readonly afterId: number },
  limit: number,
): Query<{ url_id: number }> {
  return sql`
    select url_id from link_tags where tag_key = ${key} and url_id > ${afterId} and tag <> ${notAs}
    order by url_id limit ${limit}`;
}

/** Links that bear a tag, but not written as `notAs`. */
export function countTagged(sql: Sql, key: string, notAs: string): Query<{ links: number }> {
  return sql`select count(*) as links from link_tags where tag_key = ${key} and tag <> ${notAs}`;
}

export function findTagged(sql: Sql, key: string): Query<{ url_id: number }> {
  return sql`select url_id from link_tags where tag_key = ${key} limit 1`;
}
