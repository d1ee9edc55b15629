// Brings the first version's data in, all or nothing: one `imported` event a subject, with its old history verbatim inside.

import { stateOf } from "../audit/event.ts";
import { badRequest, conflict } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { State } from "../model/event.ts";
import { type LinkRow, linkFromRow } from "../model/link.ts";
import { type UserRow, userFromRow } from "../model/user.ts";
import { type Caller, type Core, mutate, record, type Work } from "../operations/core.ts";
import { listHistory } from "../store/queries/events.ts";
import { insertLink } from "../store/queries/links.ts";
import { findUser, insertUser } from "../store/queries/users.ts";
import { StoreError, type Tx } from "../store/store.ts";
import type { LegacyData, LegacyLink, LegacyUser } from "./deadletter-v1.ts";

export interface ImportReport {
  readonly users: { readonly imported: number; readonly unchanged: number };
  readonly links: { readonly imported: number; readonly unchanged: number };
  readonly events: number;
  readonly contradictions: Contradictions;
}

/** Codes of links whose old history cannot have led to their state. The state is kept, and the history beside it. */
export interface Contradictions {
  readonly active_though_deleted: readonly string[];
  readonly inactive_without_deletion: readonly string[];
}

export interface ImportOptions {
  readonly isDryRun: boolean;
  readonly onProgress?: (done: number, total: number) => void;
}

class DryRunEnd extends Error {
  readonly report: ImportReport;
  constructor(report: ImportReport) {
    super("dry run");
    this.report = report;
  }
}

/**
 * Throws conflict for a row whose id, code, username or email belongs to something that this data did not bring in.
 * Rows that an earlier run brought in are left alone, whatever has become of them since.
 */
export async function importLegacy(
  core: Core,
  caller: Caller,
  data: LegacyData,
  options: ImportOptions,
): Promise<ImportReport> {
  const at = { row: "" };
  try {
    return await mutate(core, caller, (work) => importAll(work, data, at, options), { deadlineMs: LIMITS.importMs });
  } catch (error) {
    // Rolling the whole run back is what makes a dry run one: it has met every rule of the database.
    if (error instanceof DryRunEnd) return error.report;
    if (!(error instanceof StoreError) || error.kind !== "unique") throw error;
    const taken = error.constraint.replace(/^[a-z]+_|_key$/g, "");
    throw conflict(`${at.row}: its ${taken} is taken`, "import into an empty store");
  }
}

async function importAll(work: Work, data: LegacyData, at: At, options: ImportOptions): Promise<ImportReport> {
  const { tx, core } = work;
  const total = data.users.length + data.links.length;
  const users = { imported: 0, unchanged: 0 };
  const links = { imported: 0, unchanged: 0 };
  const atMs = core.clock();
  // First of all, so that nobody draws an id that is about to be imported.
  await tx.reserveIds("users", largestId(data.users));
  await tx.reserveIds("urls", largestId(data.links));
  for (const user of data.users) {
    users[await importUser(work, user, at, atMs)] += 1;
    options.onProgress?.(users.imported + users.unchanged, total);
  }
  for (const link of data.links) {
    links[await importLink(work, link, at, atMs)] += 1;
    options.onProgress?.(data.users.length + links.imported + links.unchanged, total);
  }
  const report = { users, links, events: data.events, contradictions: findContradictions(data.links) };
  if (options.isDryRun) throw new DryRunEnd(report);
  return report;
}

/** Which row is being written: what a broken rule is about, whichever engine reports it. */
interface At {
  row: string;
}

/** What every imported subject's first event has in common. */
const IMPORTED = { op: "imported", previousHead: null, reason: null } as const;

type Outcome = "imported" | "unchanged";

async function importUser(work: Work, user: LegacyUser, at: At, atMs: number): Promise<Outcome> {
  const row: Omit<UserRow, "head"> = {
    id: user.id,
    username: user.username,
    email: user.email,
    is_active: 1,
    created_at_ms: user.createdAtMs,
    updated_at_ms: user.createdAtMs,
    version: 1,
  };
  const state = userFromRow({ ...row, head: new Uint8Array() });
  const name = `users line ${user.line}: user ${user.id} (${user.username})`;
  if (await isImportedAlready(work.tx, "user", row.id, state, name)) return "unchanged";
  at.row = name;
  await record(work, { ...IMPORTED, type: "user", row, state, atMs, write: insertUser });
  return "imported";
}

async function importLink(work: Work, link: LegacyLink, at: At, atMs: number): Promise<Outcome> {
  const row: Omit<LinkRow, "head"> = {
    id: link.id,
    short_code: link.code,
    original_url: link.originalUrl,
    title: link.title,
    is_active: link.isActive ? 1 : 0,
    expires_at_ms: null,
    user_id: link.userId,
    created_at_ms: link.createdAtMs,
    updated_at_ms: link.updatedAtMs,
    version: 1,
  };
  const state = { ...linkFromRow({ ...row, head: new Uint8Array() }), legacy_history: link.history };
  const name = `urls line ${link.line}: link ${link.id} (${link.code})`;
  if (await isImportedAlready(work.tx, "url", row.id, state, name)) return "unchanged";
  if ((await findUser(work.tx, link.userId)).length === 0) throw badRequest(`${name}: there is no user ${link.userId}`);
  at.row = name;
  await record(work, { ...IMPORTED, type: "url", row, state, atMs, write: insertLink });
  return "imported";
}

async function isImportedAlready(
  tx: Tx,
  type: "user" | "url",
  id: number,
  state: State,
  name: string,
): Promise<boolean> {
  const [first] = await listHistory(tx, { type, id }, { afterVersion: 0, limit: 1, offset: 0 });
  if (!first) return false;
  // Of an erased one it is known that it was imported, and no more.
  const isSame = first.state === null || JSON.stringify(stateOf(first.state)) === JSON.stringify(state);
  if (first.op === "imported" && isSame) return true;
  throw conflict(
    `${name}: the id is in use by something that this data did not bring in`,
    "import into an empty store",
  );
}

export function findContradictions(links: readonly LegacyLink[]): Contradictions {
  const wasDeleted = (link: LegacyLink) => link.history.some((event) => event.event_type === "deleted");
  return {
    active_though_deleted: links.filter((link) => link.isActive && wasDeleted(link)).map((link) => link.code),
    inactive_without_deletion: links.filter((link) => !link.isActive && !wasDeleted(link)).map((link) => link.code),
  };
}

function largestId(rows: readonly { readonly id: number }[]): number {
  return rows.reduce((largest, row) => Math.max(largest, row.id), 0);
}
