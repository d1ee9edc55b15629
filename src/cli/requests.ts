// What a client can ask for, each once: the scripted commands and the admin screen call these same functions.

import type { Static } from "@sinclair/typebox";
import { badRequest, DeadletterError } from "../errors.ts";
import type { LogHealth } from "../http/audit-log.ts";
import type { Heard } from "../http/heard.ts";
import type { LinkWithHistory, ListedLink, NewLinkBody } from "../http/links.ts";
import type { Stats } from "../http/ops.ts";
import type { ChangedLink as LinkAsChanged, ShownLink } from "../http/shown-link.ts";
import type { Holder, UserWithLinks } from "../http/users.ts";
import { LIMITS } from "../limits.ts";
import type { Event, LogEntry } from "../model/event.ts";
import type { Key, KeyWithSecret } from "../model/key.ts";
import type { LinkEdit as LinkEditSchema } from "../model/link.ts";
import type { Role } from "../model/role.ts";
import type { User, UserEdit, VisibleUser } from "../model/user.ts";
import type { ClickQuery, ClickReport } from "../operations/clicks.ts";
import type { OwnedLinks } from "../operations/deactivate.ts";
import type { ErasureReport } from "../operations/erase.ts";
import type { Disclosures } from "../operations/events.ts";
import type { Explanation } from "../operations/explain.ts";
import type { LinkDiff } from "../operations/link-history.ts";
import type { RenamedTag, RenameTag, Tag } from "../operations/tags.ts";
import { type Client, getBytes, unwrap, unwrapPage } from "./client.ts";

export interface Page<Row> {
  readonly rows: readonly Row[];
  /** Whether there are more behind these. */
  readonly isMore: boolean;
}

export type NewLink = Static<typeof NewLinkBody>;
export type LinkEdit = Static<typeof LinkEditSchema>;

export function createLink({ api }: Client, link: NewLink): Promise<ChangedLink> {
  return unwrap(api.urls.post(link));
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

/** Throws not_found for a tag that no link has, and for a user or a link there never was. */
export async function assertNames(
  client: Client,
  { tag, user_id, short_code }: { tag?: string; user_id?: string; short_code?: string },
): Promise<void> {
  if (short_code !== undefined) await showLink(client, short_code);
  if (user_id !== undefined) await showUser(client, user_id);
  for (const each of tag?.split(",") ?? [])
    if ((await collect(listLinks(client, { tag: each }, 1))).length === 0)
      throw new DeadletterError("not_found", `no link has the tag ${JSON.stringify(each)}`, {
        hint: "see which there are with: deadletter tags list",
      });
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

export function createUser({ api }: Client, user: { username: string; email: string }): Promise<User> {
  return unwrap(api.users.post(user));
}

/** Of one link, oldest first. */
export function listHistory({ api }: Client, name: string, limit: number): AsyncGenerator<Page<Event>> {
  return pagesOf(limit, (page) => unwrapPage(api.urls({ link: segment(name) }).events.get({ query: page })));
}

export function listUsers({ api }: Client, limit: number): AsyncGenerator<Page<VisibleUser>> {
  return pagesOf(limit, (page) => unwrapPage(api.users.get({ query: page })));
}

export function showUser({ api }: Client, id: string): Promise<Static<typeof UserWithLinks>> {
  return unwrap(api.users({ user: segment(id) }).get());
}

export function editUser({ api }: Client, id: string, edit: Static<typeof UserEdit>): Promise<User> {
  return unwrap(api.users({ user: segment(id) }).put(edit));
}

export function deactivateUser(
  { api }: Client,
  id: string,
  options: { reason?: string; hand_over_to?: number },
): Promise<User & { links: OwnedLinks }> {
  return unwrap(api.users({ user: segment(id) }).delete(options));
}

export function restoreUser({ api }: Client, id: string, reason: string | undefined): Promise<User> {
  return unwrap(api.users({ user: segment(id) }).restore.post(reason === undefined ? {} : { reason }));
}

export function createKey(
  { api }: Client,
  userId: string,
  key: { name: string; role: Role; expires_at?: string },
): Promise<KeyWithSecret> {
  return unwrap(api.users({ user: segment(userId) }).keys.post(key));
}

export function whoAmI({ api }: Client): Promise<Holder> {
  return unwrap(api.whoami.get());
}

export function readStats({ api }: Client): Promise<Stats> {
  return unwrap(api.stats.get());
}

export function listKeys({ api }: Client, userId: string): Promise<Key[]> {
  return unwrap(api.users({ user: segment(userId) }).keys.get());
}

export function revokeKey({ api }: Client, userId: string, keyId: string, reason: string | undefined): Promise<Key> {
  return unwrap(
    api
      .users({ user: segment(userId) })
      .keys({ key: segment(keyId) })
      .delete(reason === undefined ? {} : { reason }),
  );
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

export function eraseUser(
  { api }: Client,
  id: string,
  options: { reason?: string; dry_run?: boolean },
): Promise<ErasureReport> {
  return unwrap(api.users({ user: segment(id) }).erase.post(options));
}
