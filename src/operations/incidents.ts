// Incidents: links that do harm are found by what they have in common and taken down, a bounded transaction at a time; the same
// transaction writes which they were into the incident's own history, so that undoing brings back those and nothing else.

import { type Static, Type } from "@sinclair/typebox";
import { conflict, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import type { Command } from "../model/command.ts";
import { Incident, type IncidentRow, incidentFromRow, type NewIncident } from "../model/incident.ts";
import { checkMatch, type IncidentMatch, matchesLink } from "../model/incident-match.ts";
import { Link, type LinkRow, linkFromRow } from "../model/link.ts";
import { LINK_HOSTS, LINK_TAGS } from "../model/link-sides.ts";
import { LINK } from "../model/link-subject.ts";
import { nullable } from "../model/schema.ts";
import type { SubjectRow } from "../model/subject.ts";
import {
  countMatching,
  countTakenBy,
  findIncident,
  listIncidents,
  listMatching,
  listMostClicked,
  listNewestMatching,
  listOwners,
  listTakenBy,
} from "../store/queries/incidents.ts";
import { lockSubjects } from "../store/queries/subjects.ts";
import type { Sql, Tx } from "../store/store.ts";
import { transact } from "./apply.ts";
import type { Pacing } from "./bulk.ts";
import type { Core, Work } from "./context.ts";
import { applyOne } from "./group.ts";
import { findLink } from "./links.ts";
import { keepPace } from "./pace.ts";
import { type Page, pageOf } from "./page.ts";
import { assertComplete } from "./side-tables.ts";

/** What an incident would touch. */
export const IncidentPreview = Type.Object(
  {
    links: Type.Integer({ description: "active links that match" }),
    newest: Type.Array(Link),
    most_clicked: Type.Array(Type.Object({ id: Type.Integer(), short_code: Type.String(), clicks: Type.Integer() })),
    owners: Type.Array(Type.Object({ user_id: nullable(Type.Integer()), links: Type.Integer() })),
  },
  { $id: "IncidentPreview" },
);
export type IncidentPreview = Static<typeof IncidentPreview>;

export const IncidentProgress = Type.Object(
  {
    incident: Incident,
    changed: Type.Integer({ description: "links that this request has taken down, or brought back" }),
    skipped: Type.Integer({ description: "links that were to come back and that another incident holds" }),
    left: Type.Integer({ description: "links that are left: repeat the request until there are none" }),
    settled: Type.Boolean({
      description: "whether nothing that began before can match any more; otherwise ask again after `again_ms`",
    }),
    again_ms: Type.Integer(),
  },
  { $id: "IncidentProgress" },
);
export type IncidentProgress = Static<typeof IncidentProgress>;

/** Throws bad_request for what matches nothing or everything. */
export function previewIncident({ store }: Core, asked: IncidentMatch): Promise<IncidentPreview> {
  const match = checkMatch(asked);
  return store.scan(async (sql) => {
    await assertSearchable(sql, match);
    const [count] = await countMatching(sql, match);
    return {
      links: count?.links ?? 0,
      newest: (await listNewestMatching(sql, match, LIMITS.previewRows)).map(linkFromRow),
      most_clicked: [...(await listMostClicked(sql, match, LIMITS.previewRows))],
      owners: [...(await listOwners(sql, match, LIMITS.previewRows))],
    };
  });
}

async function assertSearchable(sql: Sql, { host, host_suffix, tag }: IncidentMatch): Promise<void> {
  if (host !== undefined || host_suffix !== undefined) await assertComplete(sql, LINK_HOSTS);
  if (tag !== undefined) await assertComplete(sql, LINK_TAGS);
}

/** Opens an incident, which from now on holds what it is to hold in this process; others hear of it by the log. */
export async function openIncident(core: Core, caller: Caller, asked: Static<typeof NewIncident>): Promise<Incident> {
  await core.store.read((sql) => assertSearchable(sql, checkMatch(asked.match)));
  await core.holds.refresh();
  if (asked.hold && core.holds.count >= LIMITS.openHolds)
    throw conflict(`${LIMITS.openHolds} incidents hold links already`, "close one: deadletter incidents list");
  const incident = (await applyOne(core, caller, { ...asked, type: "incident.open" })) as Incident;
  core.holds.expire();
  return incident;
}

export async function closeIncident(core: Core, caller: Caller, id: number, reason?: string): Promise<Incident> {
  const command = { type: "incident.close", id, ...(reason === undefined ? {} : { reason }) } as const;
  const incident = (await applyOne(core, caller, command)) as Incident;
  core.holds.expire();
  return incident;
}

/** Throws not_found. */
export async function readIncident({ store }: Core, id: number): Promise<Incident> {
  return incidentFromRow(await store.read((sql) => mustFindIncident(sql, id)));
}

/** Throws not_found. */
export async function mustFindIncident(sql: Sql, id: number): Promise<IncidentRow> {
  const [row] = await findIncident(sql, id);
  if (!row) throw notFound(`no incident ${id}`);
  return row;
}

/** The newest first; `next` is the id that the page after begins before. */
export async function readIncidents(
  { store }: Core,
  page: { readonly beforeId: number; readonly limit: number; readonly offset: number },
): Promise<Page<Incident>> {
  const rows = await store.read((sql) => listIncidents(sql, { ...page, limit: page.limit + 1 }));
  return pageOf(rows, page.limit, incidentFromRow, ({ id }) => [id]);
}

/**
 * Takes down up to LIMITS.incidentRows links that match. What is left is what still matches, so that whoever was interrupted asks
 * again. With a hold it has settled once a whole look has begun later than the longest transaction and than every replica has heard
 * of the hold. Throws conflict for an incident that is closed.
 */
export async function takeDown(core: Core, caller: Caller, id: number, pace: Pacing): Promise<IncidentProgress> {
  const incident = await readIncident(core, id);
  if (!incident.is_open) throw conflict(`incident ${id} is closed`, "open another one");
  const { match } = incident;
  const settlesAtMs = Date.parse(incident.created_at) + settlingMs(core);
  const againMs = incident.hold ? Math.max(0, settlesAtMs - core.clock.now()) : 0;
  const find = (afterId: number, limit: number) => core.store.scan((sql) => listMatching(sql, match, afterId, limit));
  const { changed, isAll } = await inBatches(core, { find, pace }, (ids) =>
    transact(core, caller, (work) => takeBatch(work, incident, ids), { isBulk: true }),
  );
  const count = () => core.store.scan((sql) => countMatching(sql, match));
  const left = isAll ? 0 : Math.max(1, (await count())[0]?.links ?? 0);
  return {
    incident: await readIncident(core, id),
    changed,
    skipped: 0,
    left,
    settled: isAll && againMs === 0,
    again_ms: againMs,
  };
}

/** What a process may have begun before it heard of a hold, and not ended. */
function settlingMs({ store, staleMaxMs }: Core): number {
  return store.deadlineMs + staleMaxMs + LIMITS.holdSkewMs;
}

/**
 * The same for what it took down, where that is down for it still: whatever was deleted for another reason stays so. With `codes`
 * only those links, whatever else the incident holds. Throws not_found for a code that no link has, and conflict for a link that is
 * not down for this incident.
 */
export async function undoTakeDown(
  core: Core,
  caller: Caller,
  id: number,
  pace: Pacing,
  codes?: readonly string[],
): Promise<IncidentProgress> {
  await readIncident(core, id);
  let skipped = 0;
  const named = codes === undefined ? undefined : await findTaken(core, id, codes);
  const find = (afterId: number, limit: number) =>
    named === undefined
      ? core.store.read((sql) => listTakenBy(sql, id, afterId, limit))
      : Promise.resolve(named.filter((link) => link.id > afterId).slice(0, limit));
  const { changed, isAll } = await inBatches(core, { find, pace }, async (ids) => {
    const part = await transact(core, caller, (work) => bringBackBatch(work, id, ids), { isBulk: true });
    skipped += part.skipped;
    return part.changed;
  });
  const count = () => core.store.read((sql) => countTakenBy(sql, id));
  const left = isAll || named !== undefined ? 0 : Math.max(1, ((await count())[0]?.links ?? 0) - skipped);
  return { incident: await readIncident(core, id), changed, skipped, left, settled: isAll, again_ms: 0 };
}

/** In the order of their ids. */
function findTaken({ store }: Core, incidentId: number, codes: readonly string[]): Promise<{ id: number }[]> {
  return store.read(async (sql) => {
    const rows: LinkRow[] = [];
    for (const code of new Set(codes)) rows.push(await findLink(sql, code));
    const other = rows.find(({ incident_id }) => incident_id !== incidentId);
    if (other) throw conflict(`link "${other.short_code}" is not down for incident ${incidentId}`);
    return rows.map(({ id }) => ({ id })).toSorted((a, b) => a.id - b.id);
  });
}

interface Batches {
  readonly find: (afterId: number, limit: number) => PromiseLike<readonly { readonly id: number }[]>;
  readonly pace: Pacing;
}

/** How many links `change` has changed, about LIMITS.incidentRows at the most, and whether it was asked of all. */
async function inBatches(
  core: Core,
  { find, pace }: Batches,
  change: (ids: readonly number[]) => Promise<number>,
): Promise<{ readonly changed: number; readonly isAll: boolean }> {
  let [changed, afterId] = [0, 0];
  while (changed < LIMITS.incidentRows) {
    const ids = (await find(afterId, Math.min(pace.size, LIMITS.incidentLinks))).map(({ id }) => id);
    if (ids.length === 0) return { changed, isAll: true };
    await keepPace(core);
    const beganMs = core.clock.monotonic();
    changed += await change(ids);
    afterId = ids.at(-1) ?? afterId;
    await pace.rest(core.clock.monotonic() - beganMs);
  }
  return { changed, isAll: false };
}

/** Those that match still, once they are locked. */
async function takeBatch({ tx, apply }: Work, incident: Incident, ids: readonly number[]): Promise<number> {
  const links = (await lockLinks(tx, ids))
    .filter((row) => row.is_active === 1 && matchesLink(incident.match, row, { isOfKey: true }))
    .map(({ id }) => id);
  if (links.length === 0) return 0;
  const downs = links.map((id): Command => ({ type: "link.take_down", id, incident_id: incident.id }));
  await apply([...downs, { type: "incident.act", id: incident.id, taken: links }]);
  return links.length;
}

async function bringBackBatch({ core, tx, apply }: Work, incidentId: number, ids: readonly number[]) {
  const rows = await lockLinks(tx, ids);
  const down = rows.filter(({ incident_id }) => incident_id === incidentId);
  const free = down.filter((row) => core.holds.heldBy(row, { but: incidentId }) === undefined);
  const links = free.map(({ id }) => id);
  const ups = links.map((id): Command => ({ type: "link.bring_back", id, incident_id: incidentId }));
  if (links.length > 0) await apply([...ups, { type: "incident.act", id: incidentId, undone: links }]);
  return { changed: links.length, skipped: down.length - links.length };
}

async function lockLinks(tx: Tx, ids: readonly number[]): Promise<readonly LinkRow[]> {
  const rows: readonly SubjectRow[] = await lockSubjects(tx, LINK, { ids, names: [] });
  return rows as readonly LinkRow[];
}
