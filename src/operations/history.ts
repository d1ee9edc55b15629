// Reads what happened: events as the world sees them, and a link as it stood at a moment.

import type { Erasure } from "../audit/erasures.ts";
import { actorOf, stateOf } from "../audit/event.ts";
import { notFound } from "../errors.ts";
import { changesBetween, type Event, type State, visibleState } from "../model/event.ts";
import type { Link } from "../model/link.ts";
import { formatTime } from "../model/time.ts";
import { showActor, showState, type Viewer } from "../model/visibility.ts";
import { type EventWithPrevious, findEventAsOf } from "../store/queries/events.ts";
import type { Sql } from "../store/store.ts";

/** The event as `viewer` may see it. */
export function eventFromRow(row: EventWithPrevious, viewer: Viewer): Event {
  const actor = actorOf(row.actor);
  const state = shown(viewer, row, row.state);
  return {
    id: row.id,
    subject: `${row.subject_type}:${row.subject_id}`,
    url_id: row.subject_type === "url" ? row.subject_id : null,
    user_id: row.user_id,
    event_type: row.op,
    timestamp: formatTime(row.at_ms),
    details:
      state === null
        ? { erased: true }
        : detailsOf(row, shown(viewer, row, row.previous_state), state, actor?.reason ?? null),
    version: row.version,
    actor: actor && showActor(viewer, actor),
    request_id: actor?.request_id ?? null,
    reason: actor?.reason ?? null,
    leaf_hash: Buffer.from(row.leaf_hash).toString("base64url"),
  };
}

function shown(viewer: Viewer, { subject_type }: EventWithPrevious, disclosure: string | null): State | null {
  const state = stateOf(disclosure);
  return state && showState(viewer, subject_type, state);
}

/** The first version's members (short_code and original_url, or reason) stay beside `changes`: its clients read them. */
function detailsOf(
  row: EventWithPrevious,
  previous: State | null,
  state: State,
  reason: string | null,
): Record<string, unknown> {
  const changes = changesBetween(previous, state);
  if (row.op === "deleted") return { reason, changes };
  if (row.op === "erased") {
    const { actors, states } = state.erasure as Erasure;
    return { erased: { actors: actors.length, states: states.length } };
  }
  if (row.op !== "created" && row.op !== "imported") return { changes };
  const { legacy_history, ...visible } = visibleState(state);
  if (row.subject_type !== "url") return { changes, [row.subject_type]: visible };
  return {
    short_code: visible.short_code,
    original_url: visible.original_url,
    changes,
    link: visible,
    ...(legacy_history === undefined ? {} : { legacy_history }),
  };
}

/** The link after the last event at or before `atMs`. Throws not_found where it did not exist yet. */
export async function linkAsOf(
  sql: Sql,
  link: { readonly id: number; readonly short_code: string },
  atMs: number,
): Promise<Link> {
  const [row] = await findEventAsOf(sql, { type: "url", id: link.id }, atMs);
  const claimed = stateOf(row?.state ?? null);
  if (!row || claimed === null)
    throw notFound(`link "${link.short_code}" has no recorded state at ${formatTime(atMs)}`);
  // Each event carries the whole state, so folding the newest one alone gives what folding all would.
  const { legacy_history: _, ...state } = claimed;
  return state as unknown as Link;
}
