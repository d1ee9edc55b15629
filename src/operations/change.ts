// Changes a link: edit, soft-delete, restore. One lock, one decision, one event each.

import { conflict, notFound } from "../errors.ts";
import type { EventType } from "../model/event.ts";
import { checkDeleteReason, checkReason } from "../model/event.ts";
import { checkOriginalUrl, checkTitle, type Link, type LinkRow, linkFromRow } from "../model/link.ts";
import { parseTime } from "../model/time.ts";
import { lockLink, updateLink } from "../store/queries/links.ts";
import { type Caller, type Core, checkPrecondition, mutate, nextTime, record, type Work } from "./core.ts";
import { findLink } from "./find.ts";

export interface LinkEdit {
  readonly original_url?: string;
  readonly title?: string;
  readonly expires_at?: string | null;
  /** Only ever false: bringing a link back is `restore`. */
  readonly is_active?: false;
  readonly reason?: string;
}

export interface Expectation {
  /** Versions from If-Match; undefined when the caller sent none. */
  readonly versions?: readonly number[] | undefined;
}

/** Throws not_found for a missing or inactive link, precondition_failed, bad_request. Without a difference: no event. */
export async function update(
  core: Core,
  caller: Caller,
  codeOrId: string,
  edit: LinkEdit,
  expected: Expectation = {},
): Promise<Link> {
  const next: Partial<Writable> = {
    ...(edit.original_url === undefined ? {} : { original_url: checkOriginalUrl(edit.original_url, core.ownHosts()) }),
    ...(edit.title === undefined ? {} : { title: checkTitle(edit.title) }),
    ...(edit.expires_at === undefined
      ? {}
      : { expires_at_ms: edit.expires_at === null ? null : parseTime("expires_at", edit.expires_at) }),
    ...(edit.is_active === undefined ? {} : { is_active: 0 }),
  };
  const op = edit.is_active === false ? "deleted" : "updated";
  const reason = op === "deleted" ? checkDeleteReason(edit.reason) : checkReason(edit.reason);
  return withLockedLink(core, caller, codeOrId, expected, async (work, row) => {
    if (row.is_active === 0) throw notFound(`link "${row.short_code}" is inactive`, "restore it first");
    const fields = Object.keys(next) as (keyof Writable)[];
    if (fields.every((field) => next[field] === row[field])) return linkFromRow(row);
    return write(work, { row, next, op, reason });
  });
}

/** Soft-deletes: the link stops redirecting and keeps its code. Throws conflict where it is inactive already. */
export async function retire(
  core: Core,
  caller: Caller,
  codeOrId: string,
  reasonText: string | undefined,
  expected: Expectation = {},
): Promise<Link> {
  const reason = checkDeleteReason(reasonText);
  return withLockedLink(core, caller, codeOrId, expected, async (work, row) => {
    if (row.is_active === 0) throw conflict(`link "${row.short_code}" is inactive already`);
    return write(work, { row, next: { is_active: 0 }, op: "deleted", reason });
  });
}

/** Throws conflict where the link is active already. */
export async function restore(
  core: Core,
  caller: Caller,
  codeOrId: string,
  reasonText: string | undefined,
  expected: Expectation = {},
): Promise<Link> {
  const reason = checkReason(reasonText);
  return withLockedLink(core, caller, codeOrId, expected, async (work, row) => {
    if (row.is_active === 1) throw conflict(`link "${row.short_code}" is active already`);
    return write(work, { row, next: { is_active: 1 }, op: "restored", reason });
  });
}

type Writable = Pick<LinkRow, "original_url" | "title" | "expires_at_ms" | "is_active">;

/** Finds without a lock, then locks by id and decides on what the lock shows: nobody can change the row in between. */
async function withLockedLink(
  core: Core,
  caller: Caller,
  codeOrId: string,
  expected: Expectation,
  run: (work: Work, row: LinkRow) => Promise<Link>,
): Promise<Link> {
  const { id } = await core.store.read((sql) => findLink(sql, codeOrId));
  return mutate(core, caller, async (work) => {
    const [row] = await lockLink(work.tx, id);
    if (!row) throw notFound(`no link ${id}`);
    checkPrecondition(expected.versions, row.version);
    return run(work, row);
  });
}

async function write(
  work: Work,
  change: { row: LinkRow; next: Partial<Writable>; op: EventType; reason: string | null },
): Promise<Link> {
  const { row, next, op, reason } = change;
  const atMs = nextTime(work.core, row);
  const changed: LinkRow = { ...row, ...next, updated_at_ms: atMs, version: row.version + 1 };
  const link = linkFromRow(changed);
  await record(work, {
    type: "url",
    op,
    row: changed,
    state: link,
    atMs,
    previousHead: row.head,
    reason,
    write: updateLink,
  });
  return link;
}
