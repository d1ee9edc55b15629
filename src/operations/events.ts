// Reads what happened: events as the world sees them.

import { type Static, Type } from "@sinclair/typebox";
import type { Erasure } from "../audit/erasures.ts";
import { actorOf, stateOf } from "../audit/event.ts";
import { notFound } from "../errors.ts";
import type { Viewer } from "../model/caller.ts";
import { changesBetween } from "../model/changes.ts";
import { type Event, type EventKey, eventNameOf, mayReadActor, showActor } from "../model/event.ts";
import type { State } from "../model/field.ts";
import type { KeyRow } from "../model/key.ts";
import { LINK_TAGS } from "../model/link-sides.ts";
import { LINK } from "../model/link-subject.ts";
import { nullable, wordOf } from "../model/schema.ts";
import { type Subject, wholeState, withoutBeside, withoutHidden } from "../model/subject.ts";
import { subjectOf } from "../model/subjects.ts";
import { formatTime } from "../model/time.ts";
import {
  type EventPage,
  type EventWithPrevious,
  findEvent,
  findEventNamed,
  listEvents,
} from "../store/queries/events.ts";
import { findKey } from "../store/queries/keys.ts";
import { findLinkByCode } from "../store/queries/links.ts";
import type { Sql } from "../store/store.ts";
import type { Core } from "./context.ts";
import { type EventNames, readNames } from "./event-names.ts";
import { type Page, pageOf } from "./page.ts";
import { assertComplete } from "./side-tables.ts";
import { mustFindUserNamed } from "./users.ts";

export type EventFilter = Omit<EventPage, "limit" | "offset" | "before"> & {
  /** Of the link with this code, also where it belongs to no link. */
  readonly code?: string;
  /** Of the user called so, by name, email or id. */
  readonly user?: string;
};

/** Events, newest first. `next` is the place of the page after, by (at, id). Throws not_found for a user or key there never was. */
export async function readEvents(
  { store }: Core,
  viewer: Viewer,
  filter: EventFilter,
  page: Pick<EventPage, "limit" | "offset" | "before">,
): Promise<Page<Event>> {
  const isScan = Object.keys(filter).length > 0;
  return (isScan ? store.scan : store.read)(async (sql) => {
    const wanted = await resolveFilter(sql, viewer, filter);
    const rows = wanted === undefined ? [] : await listEvents(sql, { ...wanted, ...page, limit: page.limit + 1 });
    const { items, next } = pageOf(
      rows,
      page.limit,
      (row) => row,
      ({ at_ms, id }) => [at_ms, id],
    );
    return { items: await showEvents(sql, items, viewer), next };
  });
}

/** Names become ids; undefined where nothing can match. */
async function resolveFilter(
  sql: Sql,
  viewer: Viewer,
  { code, user, keyId, ...rest }: EventFilter,
): Promise<Omit<EventPage, "limit" | "offset" | "before"> | undefined> {
  const link = code === undefined ? undefined : (await findLinkByCode(sql, code))[0];
  // An unknown code, or one that belongs to another id than the one asked for, has no events.
  if (code !== undefined && (!link || (rest.urlId !== undefined && rest.urlId !== link.id))) return undefined;
  if (rest.tagKey !== undefined) await assertComplete(sql, LINK_TAGS);
  const key = keyId === undefined ? undefined : await mustFindKey(sql, keyId);
  const userIds = [
    ...(rest.userId === undefined ? [] : [rest.userId]),
    ...(user === undefined ? [] : [(await mustFindUserNamed(sql, viewer, user)).id]),
    // Whose key it is an index knows; which key it was each event says.
    ...(key === undefined ? [] : [key.user_id]),
  ];
  if (new Set(userIds).size > 1) return undefined;
  const [userId] = userIds;
  return {
    ...rest,
    ...(link === undefined ? {} : { urlId: link.id }),
    ...(userId === undefined ? {} : { userId }),
    ...(keyId === undefined ? {} : { keyId }),
  };
}

async function mustFindKey(sql: Sql, id: number): Promise<KeyRow> {
  const [row] = await findKey(sql, id);
  if (!row) throw notFound(`no key ${id}`);
  return row;
}

/** What names an event: its id, or its subject and version. */
export type EventRef = number | EventKey;

function find(sql: Sql, ref: EventRef) {
  return typeof ref === "number" ? findEvent(sql, ref) : findEventNamed(sql, ref);
}

/** Throws not_found. */
export async function findEventId({ store }: Core, ref: EventRef): Promise<number> {
  if (typeof ref === "number") return ref;
  const [row] = await store.read((sql) => findEventNamed(sql, ref));
  if (!row) throw noEvent(ref);
  return row.id;
}

function noEvent(ref: EventRef) {
  return notFound(`no event "${typeof ref === "number" ? ref : eventNameOf(ref)}"`);
}

/** Throws not_found. */
export async function readEvent({ store }: Core, viewer: Viewer, ref: EventRef): Promise<Event> {
  return store.read(async (sql) => {
    const [row] = await find(sql, ref);
    if (!row) throw noEvent(ref);
    return (await showEvents(sql, [row], viewer))[0] as Event;
  });
}

/** What an event's leaf holds digests of, verbatim. */
export const Disclosures = Type.Object(
  {
    id: Type.Integer(),
    leaf: Type.String(),
    leaf_hash: Type.String({ description: "base64" }),
    actor: nullable(Type.String({ description: "null where it was erased, or is hidden" })),
    state: nullable(Type.String({ description: "null where it was erased, or is hidden" })),
    hidden: Type.Optional(Type.Array(wordOf(["actor", "state"]), { description: "those that the key may not read" })),
  },
  { $id: "Disclosures" },
);
export type Disclosures = Static<typeof Disclosures>;

/** Throws not_found. */
export async function readDisclosures({ store }: Core, viewer: Viewer, ref: EventRef): Promise<Disclosures> {
  const [row] = await store.read((sql) => find(sql, ref));
  if (!row) throw noEvent(ref);
  const { id, leaf, leaf_hash, actor, state, subject_type, subject_id } = row;
  const hidden = [
    ...(mayReadActor(viewer, actorOf(actor)) ? [] : ["actor" as const]),
    ...(subjectOf(subject_type)?.mayReadDisclosure(viewer, subject_id) ? [] : ["state" as const]),
  ];
  return {
    id,
    leaf: Buffer.from(leaf).toString(),
    leaf_hash: Buffer.from(leaf_hash).toString("base64"),
    actor: hidden.includes("actor") ? null : actor,
    state: hidden.includes("state") ? null : state,
    ...(hidden.length > 0 ? { hidden } : {}),
  };
}

/** Events as `viewer` may see them, with what they name by the names of now. At most a page of them. */
export async function showEvents(sql: Sql, rows: readonly EventWithPrevious[], viewer: Viewer): Promise<Event[]> {
  const names = await readNames(sql, rows, viewer);
  return rows.map((row) => eventFromRow(row, viewer, names));
}

function eventFromRow(row: EventWithPrevious, viewer: Viewer, names: EventNames): Event {
  const actor = actorOf(row.actor);
  const reason = actor?.reason ?? null;
  const subject = subjectOf(row.subject_type);
  return {
    id: row.id,
    subject: `${row.subject_type}:${row.subject_id}`,
    subject_name: names.ofSubject(row),
    url_id: row.subject_type === LINK.type ? row.subject_id : null,
    user_id: row.user_id,
    event_type: row.op,
    timestamp: formatTime(row.at_ms),
    // Of a kind that only a later release knows it is not known what may be shown.
    details: subject ? detailsOf(subject, row, viewer, reason) : {},
    version: row.version,
    actor: actor && showActor(viewer, actor),
    actor_name: names.ofActor(actor),
    request_id: actor?.request_id ?? null,
    reason,
    leaf_hash: Buffer.from(row.leaf_hash).toString("base64url"),
  };
}

/** The first version's members (short_code and original_url, or reason) stay beside `changes`: its clients read them. */
function detailsOf(
  subject: Subject,
  { op, state, previous_state }: EventWithPrevious,
  viewer: Viewer,
  reason: string | null,
): Record<string, unknown> {
  const [before, after] = [previous_state, state].map(stateOf).map((each) => each && subject.show(viewer, each));
  if (!after) return { erased: true };
  const changes = changesBetween(subject, before ?? null, after);
  if (op === "deleted") return { reason, changes };
  if (op === "erased") {
    const { actors, states } = after.erasure as Erasure;
    return { erased: { actors: actors.length, states: states.length } };
  }
  if (op !== "created" && op !== "imported") return { changes, ...revertedTo(after) };
  const { legacy_history, imported_from, ...visible } = withoutHidden(subject, wholeState(subject, after));
  if (subject.type !== LINK.type) return { changes, [subject.type]: visible };
  return {
    short_code: visible.short_code,
    original_url: visible.original_url,
    changes,
    link: visible,
    ...(legacy_history === undefined ? {} : { legacy_history }),
    ...(imported_from === undefined ? {} : { imported_from }),
  };
}

/** Of an event that returned to an earlier version. */
function revertedTo({ reverted_to }: State): Record<string, unknown> {
  return reverted_to === undefined ? {} : { reverted_to };
}

/** The subject as a disclosure of its state has it, every field of today included; null where it was erased. */
export function readState(subject: Subject, disclosure: string | null): State | null {
  const state = stateOf(disclosure);
  return state && wholeState(subject, withoutBeside(subject, state));
}
