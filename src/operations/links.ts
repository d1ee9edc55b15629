// What is asked about links, and a change of one that is named by its code or its id.

import { type DeadletterError, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller, Viewer } from "../model/caller.ts";
import { isCode, isId } from "../model/code.ts";
import { checkCommand } from "../model/command.ts";
import type { Event } from "../model/event.ts";
import { type Link, type LinkChange, type LinkRow, linkFromRow } from "../model/link.ts";
import { LINK_TAGS } from "../model/link-sides.ts";
import { LINK } from "../model/link-subject.ts";
import { findClicks, listClickTotals } from "../store/queries/clicks.ts";
import { listHistory } from "../store/queries/events.ts";
import { type LinkPage, listLinks, lookUpLink } from "../store/queries/links.ts";
import { findUsers } from "../store/queries/users.ts";
import type { Sql } from "../store/store.ts";
import type { Idempotency } from "./ask.ts";
import type { Core } from "./context.ts";
import { showEvents } from "./events.ts";
import { applyAsked } from "./group.ts";
import { type Page, pageOf } from "./page.ts";
import { assertComplete } from "./side-tables.ts";

/** A change of a link, without the id of which link. */
export type LinkChangeByName = LinkChange extends infer C ? (C extends LinkChange ? Omit<C, "id"> : never) : never;

/** All digits read as an id, all else as a code. Throws not_found, and what the command is refused with. */
export async function changeLink(
  core: Core,
  caller: Caller,
  codeOrId: string,
  change: LinkChangeByName,
  idempotency?: Idempotency,
): Promise<Link> {
  // What is wrong with the change itself is said first.
  checkCommand({ ...change, id: 1 } as LinkChange, caller, core.ownHosts());
  const isNumber = isId(codeOrId);
  if (!isNumber && !isCode(codeOrId)) throw noLink(codeOrId);
  const command = { ...change, id: isNumber ? Number(codeOrId) : 0 } as LinkChange;
  const name = isNumber ? undefined : codeOrId;
  const { state } = await applyAsked(core, { caller, command, name, idempotency });
  return state as Link;
}

/** All digits read as an id, all else as a code. Throws not_found. */
export async function findLink(sql: Sql, codeOrId: string): Promise<LinkRow> {
  const [row] = await lookUpLink(sql, codeOrId);
  if (!row) throw noLink(codeOrId);
  return row;
}

function noLink(codeOrId: string): DeadletterError {
  return notFound(`no link ${JSON.stringify(codeOrId.slice(0, 100))}`);
}

/** Throws not_found. */
export async function readLinkRow({ store }: Core, codeOrId: string): Promise<Link> {
  return linkFromRow(await store.read((sql) => findLink(sql, codeOrId)));
}

export type LinkFilter = Omit<LinkPage, "limit" | "offset">;

/** Links, newest first. `next` is the place of the page after, by (created_at, id). */
export async function readLinks(
  { store }: Core,
  filter: LinkFilter,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): Promise<Page<Link>> {
  // Without a filter the newest are read from an index; with one, rows may be looked at that are not of the page.
  const isScan = filter.search !== undefined || filter.isActive !== undefined || filter.tagKeys !== undefined;
  const read = isScan ? store.scan : store.read;
  const rows = await read(async (sql) => {
    if (filter.tagKeys !== undefined) await assertComplete(sql, LINK_TAGS);
    return listLinks(sql, { ...filter, limit: limit + 1, offset });
  });
  return pageOf(rows, limit, linkFromRow, ({ created_at_ms, id }) => [created_at_ms, id]);
}

/** What is read beside the links of a page, and only where it is asked for. */
export const INCLUDES = ["clicks", "owner"] as const;
export type Include = (typeof INCLUDES)[number];

/** Clicks and owners' names of a page of links, in at most two statements. */
export async function readBeside({ store }: Core, links: readonly Link[], includes: readonly Include[]) {
  const ids = links.map(({ id }) => id);
  const userIds = [...new Set(links.flatMap(({ user_id }) => user_id ?? []))];
  const [clicks, users] = await store.read((sql) =>
    Promise.all([
      includes.includes("clicks") && ids.length > 0 ? listClickTotals(sql, ids) : [],
      includes.includes("owner") && userIds.length > 0 ? findUsers(sql, userIds) : [],
    ]),
  );
  const clicksById = new Map(clicks.map((row) => [row.url_id, row.clicks]));
  const namesById = new Map(users.map((row) => [row.id, row.username]));
  return {
    clicksOf: ({ id }: Link) => clicksById.get(id) ?? 0,
    ownerOf: ({ user_id }: Link) => (user_id === null ? null : (namesById.get(user_id) ?? null)),
  };
}

export interface LinkWithHistory {
  readonly link: Link;
  /** The last LIMITS.embeddedHistory events, oldest first. */
  readonly events: readonly Event[];
  readonly clicks: number;
}

export function readLink({ store }: Core, viewer: Viewer, codeOrId: string): Promise<LinkWithHistory> {
  return store.read(async (sql) => {
    const row = await findLink(sql, codeOrId);
    const afterVersion = Math.max(0, row.version - LIMITS.embeddedHistory);
    const page = { afterVersion, limit: LIMITS.embeddedHistory, offset: 0 };
    const history = await listHistory(sql, { type: LINK.type, id: row.id }, page);
    const [total] = await findClicks(sql, row.id);
    return {
      link: linkFromRow(row),
      events: await showEvents(sql, history, viewer),
      clicks: total?.clicks ?? 0,
    };
  });
}

/** When a link was last changed, in milliseconds. Throws not_found. */
export async function readUpdatedAt({ store }: Core, id: number): Promise<number> {
  return (await store.read((sql) => findLink(sql, String(id)))).updated_at_ms;
}
