// A link as it was: at a time, at a version, between two of them, and brought back to one.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, conflict, notFound } from "../errors.ts";
import type { Caller, Viewer } from "../model/caller.ts";
import { changesBetween } from "../model/changes.ts";
import type { Event, EventRow } from "../model/event.ts";
import type { Link, LinkRevert } from "../model/link.ts";
import { LINK } from "../model/link-subject.ts";
import { Timestamp } from "../model/schema.ts";
import { formatTime } from "../model/time.ts";
import { findEventAsOf, findEventNamed, findNewestOf, listHistory } from "../store/queries/events.ts";
import type { Sql } from "../store/store.ts";
import type { Idempotency } from "./ask.ts";
import type { Core } from "./context.ts";
import { readState, showEvents } from "./events.ts";
import { changeLink, findLink } from "./links.ts";
import { type Page, pageOf } from "./page.ts";

/** A link's history, oldest first. `next` is the version the page after begins behind. */
export function readLinkHistory(
  { store }: Core,
  viewer: Viewer,
  codeOrId: string,
  page: { readonly afterVersion: number; readonly limit: number; readonly offset: number },
): Promise<Page<Event>> {
  return store.read(async (sql) => {
    const { id } = await findLink(sql, codeOrId);
    const rows = await listHistory(sql, { type: LINK.type, id }, { ...page, limit: page.limit + 1 });
    const { items, next } = pageOf(
      rows,
      page.limit,
      (row) => row,
      ({ version }) => [version],
    );
    return { items: await showEvents(sql, items, viewer), next };
  });
}

/** The link after the last event at or before `atMs`. Throws not_found where it did not exist yet. */
export function readLinkAsOf({ store }: Core, codeOrId: string, atMs: number): Promise<Link> {
  return store.read(async (sql) => {
    const { id, short_code } = await findLink(sql, codeOrId);
    const [row] = await findEventAsOf(sql, { type: LINK.type, id }, atMs);
    // Each event carries the whole state, so the newest one alone gives what folding all would.
    const state = row && readState(LINK, row.state);
    if (!state) throw notFound(`link "${short_code}" has no recorded state at ${formatTime(atMs)}`);
    return state as Link;
  });
}

const Side = Type.Object({ version: Type.Integer(), at: Timestamp });
export const LinkDiff = Type.Object(
  {
    short_code: Type.String(),
    from: Side,
    to: Side,
    changes: Type.Record(Type.String(), Type.Object({ from: Type.Unknown(), to: Type.Unknown() }), {
      description: "each field that is not the same",
    }),
  },
  { $id: "LinkDiff" },
);
export type LinkDiff = Static<typeof LinkDiff>;

/** What is not the same at two versions; by default the newest and the one before it. Throws not_found for one there never was. */
export function diffLink(
  { store }: Core,
  codeOrId: string,
  { from, to }: { readonly from?: number; readonly to?: number },
): Promise<LinkDiff> {
  return store.read(async (sql) => {
    const { id, short_code, version } = await findLink(sql, codeOrId);
    const last = to ?? version;
    const [before, after] = [await versionOf(sql, id, from ?? Math.max(1, last - 1)), await versionOf(sql, id, last)];
    const side = ({ row }: Versioned) => ({ version: row.version, at: formatTime(row.at_ms) });
    const changes = changesBetween(LINK, before.state, after.state);
    return { short_code, from: side(before), to: side(after), changes };
  });
}

interface Versioned {
  readonly row: EventRow;
  readonly state: Link;
}

async function versionOf(sql: Sql, id: number, version: number): Promise<Versioned> {
  const [row] = await findEventNamed(sql, { subject_type: LINK.type, subject_id: id, version });
  if (!row) throw notFound(`the link has no version ${version}`);
  return { row, state: stateAt(row) };
}

/** Throws conflict where it was erased. */
function stateAt(row: EventRow): Link {
  const state = readState(LINK, row.state);
  if (!state) throw conflict(`what version ${row.version} said was erased`);
  return state as Link;
}

export interface Reverting {
  readonly to_version?: number;
  /** Milliseconds: to the version there was then. */
  readonly atMs?: number;
  readonly if_version?: number[];
  readonly reason?: string;
}

/**
 * Makes a new version that says what an earlier one said: target, title, tags, times and options; whose the link is stays as it is.
 * History does not change, so it may be read before the change is decided. Throws bad_request unless exactly one of version and time
 * is given, not_found for a version there never was, conflict for one in which the link was deleted.
 */
export async function revertLink(
  core: Core,
  caller: Caller,
  codeOrId: string,
  { to_version, atMs, if_version, reason }: Reverting,
  idempotency?: Idempotency,
): Promise<Link> {
  if ((to_version === undefined) === (atMs === undefined)) throw badRequest("name one of to_version and at");
  const { row, state } = await core.store.read(async (sql) => {
    const { id, short_code } = await findLink(sql, codeOrId);
    if (to_version !== undefined) return versionOf(sql, id, to_version);
    const [found] = await findEventAsOf(sql, { type: LINK.type, id }, atMs as number);
    if (!found) throw notFound(`link "${short_code}" has no recorded state at ${formatTime(atMs as number)}`);
    return { row: found, state: stateAt(found) };
  });
  if (!state.is_active) {
    const through = { type: LINK.type, id: row.subject_id, throughVersion: row.version };
    const [deletion] = await core.store.read((sql) => findNewestOf(sql, through, "deleted"));
    const hint = deletion ? `revert to version ${deletion.version - 1}, or delete it` : "delete it";
    throw conflict(`in version ${row.version} the link was deleted`, hint);
  }
  const { original_url, title, expires_at, tags, starts_at, status, max_age, forward, query_wins } = state;
  const to: LinkRevert["to"] = {
    original_url,
    title,
    expires_at,
    tags,
    starts_at,
    status,
    max_age,
    forward,
    query_wins,
  };
  const change = {
    type: "link.revert",
    to_version: row.version,
    to,
    ...(if_version === undefined ? {} : { if_version }),
    ...(reason === undefined ? {} : { reason }),
  } as const;
  return changeLink(core, caller, codeOrId, change, idempotency);
}
