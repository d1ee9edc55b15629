// What a client can ask for, each once: the scripted commands and the admin screen call these same functions.

import type { Static } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import type { LogHealth } from "../http/audit-log.ts";
import type { Heard } from "../http/heard.ts";
import type { LinkWithHistory, ListedLink, NewLinkBody } from "../http/links.ts";
import type { Stats } from "../http/ops.ts";
import type { ChangedLink as LinkAsChanged, ShownLink } from "../http/shown-link.ts";
import { LIMITS } from "../limits.ts";
import type { Event, LogEntry } from "../model/event.ts";
import type { LinkEdit as LinkEditSchema } from "../model/link.ts";
import type { ClickQuery, ClickReport } from "../operations/clicks.ts";
import type { Disclosures } from "../operations/events.ts";
import type { Explanation } from "../operations/explain.ts";
import type { LinkDiff } from "../operations/link-history.ts";
import type { RenamedTag, RenameTag, Tag } from "../operations/tags.ts";
import { asOurs, type Client, getBytes, unwrap, unwrapPage } from "./client.ts";

export interface Page<Row> {
  readonly rows: readonly Row[];
  /** Whether there are more behind these. */
  readonly isMore: boolean;
}

export type NewLink = Static<typeof NewLinkBody>;
export type LinkEdit = Static<typeof LinkEditSchema>;

/** With a key, what was made is not made again by the same request (Idempotency-Key). */
export function createLink({ api }: Client, link: NewLink, key?: string): Promise<ChangedLink> {
  return unwrap(api.urls.post(link, key === undefined ? {} : { headers: { "idempotency-key": key } }));
}

/** A link as a change left it, and who has heard of the change where `waitS` was given. */
export type ChangedLink = Static<typeof LinkAsChanged> & { readonly heard?: Heard };

export interface ChangeOptions {
  /** The version that the link must still be at. */
  readonly version?: number;
  /** Seconds to wait for every replica to hear of the change. The server takes LIMITS.feedWaitS at the most. */
  readonly waitS?: number;
}

export function editLink(
  { api }: Client,
  name: string,
  edit: LinkEdit,
  options: ChangeOptions = {},
): Promise<ChangedLink> {
  return unwrap(api.urls({ link: segment(name) }).patch(edit, headersOf(options)));
}

export function deleteLink(
  { api }: Client,
  name: string,
  reason: string | undefined,
  options: ChangeOptions = {},
): Promise<ChangedLink> {
  return unwrap(api.urls({ link: segment(name) }).delete(reason === undefined ? {} : { reason }, headersOf(options)));
}

export function restoreLink(
  { api }: Client,
  name: string,
  reason: string | undefined,
  options: ChangeOptions = {},
): Promise<ChangedLink> {
  return unwrap(
    api.urls({ link: segment(name) }).restore.post(reason === undefined ? {} : { reason }, headersOf(options)),
  );
}

export function showLink({ api }: Client, name: string): Promise<LinkWithHistory> {
  return unwrap(api.urls({ link: segment(name) }).get({ query: {} }));
}

export function showLinkAt({ api }: Client, name: string, at: string): Promise<ShownLink> {
  return unwrap(api.urls({ link: segment(name) }).get({ query: { at } }));
}

export function revertLink(
  { api }: Client,
  name: string,
  to: { to_version?: number; at?: string; reason?: string },
  options: ChangeOptions = {},
): Promise<ChangedLink> {
  return unwrap(api.urls({ link: segment(name) }).revert.post(to, headersOf(options)));
}

export function diffLink({ api }: Client, name: string, query: { from?: string; to?: string }): Promise<LinkDiff> {
  return unwrap(api.urls({ link: segment(name) }).diff.get({ query }));
}

export function explainCode({ api }: Client, code: string): Promise<Explanation> {
  return unwrap(api.urls({ link: segment(code) }).explain.get());
}

export function readQr(
  client: Client,
  name: string,
  kind: "svg" | "png",
  query: Record<string, string>,
): Promise<Uint8Array> {
  return getBytes(client, `/urls/${segment(name)}/qr.${kind}?${new URLSearchParams(query)}`);
}

/** By name, from the first on, until there are `limit` or no more. */
export async function* listTags({ api }: Client, limit: number): AsyncGenerator<Page<Tag>> {
  let count = 0;
  let after: string | undefined;
  for (;;) {
    const size = Math.min(limit - count, LIMITS.pageSizeMax);
    const query = { per_page: String(size), ...(after === undefined ? {} : { after }) };
    const rows = await unwrap(api.api.tags.get({ query }));
    count += rows.length;
    after = rows.at(-1)?.tag;
    const isMore = rows.length === size;
    yield { rows, isMore };
    if (!isMore || count >= limit) return;
  }
}

export function renameTag({ api }: Client, wanted: RenameTag): Promise<RenamedTag> {
  return unwrap(api.api.tags.rename.post(wanted));
}

export interface LinkFilter {
  user_id?: string;
  is_active?: string;
  q?: string;
  tag?: string;
}

/** With each link's clicks and its owner's name. */
export function listLinks({ api }: Client, filter: LinkFilter, limit: number): AsyncGenerator<Page<ListedLink>> {
  const query = { ...filter, include: "clicks,owner" };
  return pagesOf(limit, (page) => unwrapPage(api.urls.get({ query: { ...query, ...page } })));
}

/** One page of the same, from a cursor on. */
export function readLinkPage(
  { api }: Client,
  filter: LinkFilter,
  { size, cursor }: { readonly size: number; readonly cursor?: string | undefined },
): Promise<{ data: ListedLink[]; cursor: string | undefined }> {
  const query = {
    ...filter,
    include: "clicks,owner",
    per_page: String(size),
    ...(cursor === undefined ? {} : { cursor }),
  };
  return unwrapPage(api.urls.get({ query }));
}

/** Whether an event is in the signed log, so that anybody can be given proof of it; undefined where the server does not say. */
export async function isProven(client: Client, eventId: number): Promise<boolean | undefined> {
  const response = await client.get(`/events/${eventId}/proof`);
  await response.arrayBuffer();
  return response.ok ? true : response.status === 404 ? false : undefined;
}

export interface EventFilter {
  short_code?: string;
  user_id?: string;
  user?: string;
  key_id?: string;
  tag?: string;
  event_type?: string;
  request_id?: string;
  since?: string;
  until?: string;
}

export function listEvents({ api }: Client, filter: EventFilter, limit: number): AsyncGenerator<Page<Event>> {
  return pagesOf(limit, (page) => unwrapPage(api.events.get({ query: { ...filter, ...page } })));
}

/** Of one link, oldest first. */
export function listHistory({ api }: Client, name: string, limit: number): AsyncGenerator<Page<Event>> {
  return pagesOf(limit, (page) => unwrapPage(api.urls({ link: segment(name) }).events.get({ query: page })));
}

export function readStats({ api }: Client): Promise<Stats> {
  return unwrap(api.stats.get());
}

/** Follows the cursor from page to page until there are `limit` rows or no more. */
export async function* pagesOf<Row>(
  limit: number,
  read: (page: { per_page: string; cursor?: string }) => Promise<{ data: Row[]; cursor: string | undefined }>,
): AsyncGenerator<Page<Row>> {
  let count = 0;
  let cursor: string | undefined;
  for (;;) {
    const per_page = String(Math.min(limit - count, LIMITS.pageSizeMax));
    const page = await read({ per_page, ...(cursor === undefined ? {} : { cursor }) });
    if (!Array.isArray(page.data)) throw asOurs(page.data);
    count += page.data.length;
    cursor = page.cursor;
    yield { rows: page.data, isMore: cursor !== undefined };
    if (cursor === undefined || count >= limit) return;
  }
}

/** All rows of pages whose limit is a small one. */
export async function collect<Row>(pages: AsyncIterable<Page<Row>>): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const page of pages) rows.push(...page.rows);
  return rows;
}

function headersOf({ version, waitS }: ChangeOptions) {
  return {
    headers: {
      ...(version === undefined ? {} : { "if-match": `"${version}"` }),
      ...(waitS === undefined ? {} : { prefer: `wait=${waitS}` }),
    },
  };
}

/** A name as one path segment, whatever is in it. */
export function segment(name: string): string {
  if (name === "" || name === "." || name === "..")
    throw badRequest(`${JSON.stringify(name)} is not the name of anything`);
  return encodeURIComponent(name.toWellFormed());
}

export function countClicks({ api }: Client, name: string, query: ClickQuery): Promise<ClickReport> {
  return unwrap(api.urls({ link: segment(name) }).clicks.get({ query }));
}

export function readEventDisclosures({ api }: Client, name: string): Promise<Disclosures> {
  return unwrap(api.events({ id: name }).disclosures.get());
}

export function readLogStatus({ api }: Client): Promise<LogHealth> {
  return unwrap(api.log.status.get());
}

/** Entries from an index on; where there is none yet, the server waits up to `waitS` for one. */
export function readLogEntries({ api }: Client, from: number, limit: number, waitS: number): Promise<LogEntry[]> {
  return unwrap(api.log.entries.get({ query: { from: String(from), limit: String(limit), wait: String(waitS) } }));
}
