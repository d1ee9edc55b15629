// What follows from links and is not audited: rows by which they are found. Pure.

import { readTexts } from "./field.ts";
import type { LinkRow } from "./link.ts";
import { columns, type SideTable } from "./subject.ts";
import { tagKey } from "./tags.ts";
import { hostOf } from "./target.ts";

/** Which host each link leads to, so that the links to one are found without reading all of them. */
export const LINK_HOSTS: SideTable<LinkRow> = {
  table: "link_hosts",
  key: "url_id",
  columns: columns({ url_id: "integer", host: "text" }),
  generation: 2,
  rowsOf({ id, original_url }) {
    const host = hostOf(original_url);
    return host === null ? [] : [{ url_id: id, host }];
  },
};

/** The tags of each link; those of inactive ones as well. */
export const LINK_TAGS: SideTable<LinkRow> = {
  table: "link_tags",
  key: "url_id",
  columns: columns({ url_id: "integer", tag_key: "text", tag: "text" }),
  generation: 3,
  rowsOf: ({ id, tags }) => readTexts(tags).map((tag) => ({ url_id: id, tag_key: tagKey(tag), tag })),
};

/** Where each link leads, as a number, so that one with the same target is found. */
export const LINK_TARGETS: SideTable<LinkRow> = {
  table: "link_targets",
  key: "url_id",
  columns: columns({ url_id: "integer", target_key: "integer" }),
  generation: 3,
  rowsOf: ({ id, original_url }) => [{ url_id: id, target_key: targetKey(original_url) }],
};

/** 48 bits of its SHA-256: two targets may share one, so what is found is compared. */
export function targetKey(originalUrl: string): number {
  return Number.parseInt(Bun.SHA256.hash(originalUrl, "hex").slice(0, 12), 16);
}
