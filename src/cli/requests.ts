// What a client can ask for, each once: the scripted commands and the admin screen call these same functions.

import type { Static } from "@sinclair/typebox";
import { badRequest, unavailable } from "../errors.ts";
import type { LogHealth } from "../http/audit-log.ts";
import type { Heard } from "../http/heard.ts";
import type { LinkWithHistory } from "../http/links.ts";
import { LIMITS } from "../limits.ts";
import type { Event, LogEntry } from "../model/event.ts";
import type { Key, KeyWithSecret } from "../model/key.ts";
import type { Link, LinkEdit as LinkEditSchema, NewLink as NewLinkSchema } from "../model/link.ts";
import type { Role } from "../model/role.ts";
import type { User, VisibleUser } from "../model/user.ts";
import type { ClickQuery, ClickReport } from "../operations/clicks.ts";
import type { ErasureReport } from "../operations/erase.ts";
import type { Disclosures } from "../operations/events.ts";
import { asOurs, type Client, unwrap, unwrapPage } from "./client.ts";

export type NewLink = Static<typeof NewLinkSchema>;
export type LinkEdit = Static<typeof LinkEditSchema>;

export function createLink({ api }: Client, link: NewLink): Promise<Link> {
  return unwrap(api.urls.post(link));
}

/** A link as a change left it, and who has heard of the change where `waitS` was given. */
export type ChangedLink = Link & { readonly heard?: Heard };

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

export function showLinkAt({ api }: Client, name: string, at: string): Promise<Link> {
  return unwrap(api.urls({ link: segment(name) }).get({ query: { at } }));
}

export interface LinkFilter {
  user_id?: string;
  is_active?: string;
  q?: string;
}

export function listLinks({ api }: Client, filter: LinkFilter, limit: number): Promise<Link[]> {
  return collect(limit, (page) => unwrapPage(api.urls.get({ query: { ...filter, ...page } })));
}

export interface EventFilter {
  short_code?: string;
  user_id?: string;
  event_type?: string;
  request_id?: string;
  since?: string;
  until?: string;
}

export function listEvents({ api }: Client, filter: EventFilter, limit: number): Promise<Event[]> {
  return collect(limit, (page) => unwrapPage(api.events.get({ query: { ...filter, ...page } })));
}

export function createUser({ api }: Client, user: { username: string; email: string }): Promise<User> {
  return unwrap(api.users.post(user));
}

export function listUsers({ api }: Client, limit: number): Promise<VisibleUser[]> {
  return collect(limit, (page) => unwrapPage(api.users.get({ query: page })));
}

export function deactivateUser({ api }: Client, id: string, reason: string | undefined): Promise<User> {
  return unwrap(api.users({ user: segment(id) }).delete(reason === undefined ? {} : { reason }));
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
async function collect<Row>(
  limit: number,
  read: (page: { per_page: string; cursor?: string }) => Promise<{ data: Row[]; cursor: string | undefined }>,
): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | undefined;
  while (rows.length < limit) {
    const per_page = String(Math.min(limit - rows.length, LIMITS.pageSizeMax));
    const page = await read({ per_page, ...(cursor === undefined ? {} : { cursor }) });
    rows.push(...page.data);
    if (page.cursor === undefined) break;
    cursor = page.cursor;
  }
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
function segment(name: string): string {
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

/** A line of the answer to a bulk request. */
export interface BulkAnswer {
  readonly line: number | null;
  readonly status: number;
  readonly repeated?: true;
  readonly error?: string;
  readonly detail?: string;
}

export interface BulkOptions {
  readonly mediaType: string;
  readonly isAtomic: boolean;
  readonly isDryRun: boolean;
  readonly key: string | undefined;
}

/** Throws what the request as a whole was refused with. */
export async function sendBulk(
  client: Client,
  path: "/urls/bulk" | "/users/bulk",
  body: ReadableStream<Uint8Array>,
  { mediaType, isAtomic, isDryRun, key }: BulkOptions,
): Promise<Response> {
  const headers = {
    "content-type": mediaType,
    ...(key === undefined ? {} : { "idempotency-key": JSON.stringify(key) }),
  };
  const response = await client.send(`${path}?atomic=${isAtomic}&dry_run=${isDryRun}`, body, headers);
  if (response.status === 200) return response;
  throw asOurs(await response.json().catch(() => `${response.status}`));
}

/** The lines of an answer as they come. Throws unavailable where it breaks off. */
export async function* readAnswers(response: Response): AsyncGenerator<readonly BulkAnswer[]> {
  const decoder = new TextDecoder();
  let begun = "";
  try {
    for await (const chunk of response.body ?? []) {
      const lines = (begun + decoder.decode(chunk, { stream: true })).split("\n");
      begun = lines.pop() ?? "";
      if (lines.length > 0) yield lines.map((line) => JSON.parse(line) as BulkAnswer);
    }
  } catch (error) {
    throw unavailable("the server's answer broke off", { cause: error });
  }
  if (begun !== "") throw unavailable("the server's answer broke off");
}
