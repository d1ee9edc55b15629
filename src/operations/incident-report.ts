// What one hands to whoever asks what happened: when, which links, who followed them, who did what, what browsers may still follow, and
// where the proof of it is.

import { type Static, Type } from "@sinclair/typebox";
import { stateOf } from "../audit/event.ts";
import { LIMITS } from "../limits.ts";
import type { Viewer } from "../model/caller.ts";
import { eventNameOf } from "../model/event.ts";
import { INCIDENT, Incident, incidentFromRow } from "../model/incident.ts";
import type { LinkRow } from "../model/link.ts";
import { LINK } from "../model/link-subject.ts";
import { Timestamp } from "../model/schema.ts";
import type { SubjectRow } from "../model/subject.ts";
import { formatTime, HOUR_MS } from "../model/time.ts";
import { type EventWithPrevious, listHistory } from "../store/queries/events.ts";
import { sumClicksOf } from "../store/queries/incidents.ts";
import { findSubjects } from "../store/queries/subjects.ts";
import type { Sql } from "../store/store.ts";
import type { Core } from "./context.ts";
import { showEvents } from "./events.ts";
import { mustFindIncident } from "./incidents.ts";

export const IncidentReport = Type.Object(
  {
    incident: Incident,
    at: Timestamp,
    window: Type.Object(
      { from: Timestamp, to: Timestamp },
      { description: "in which clicks are counted: from a week before the incident to the end of its hour" },
    ),
    timeline: Type.Array(
      Type.Object({
        at: Timestamp,
        what: Type.String(),
        who: Type.String(),
        links: Type.Integer(),
        event: Type.String({ description: "as GET /events/{id} and /events/{id}/proof take it" }),
        through: Type.String({ description: "the last of the events that are told as one line" }),
      }),
    ),
    links: Type.Array(
      Type.Object({
        short_code: Type.String(),
        original_url: Type.String({ description: "as it is now" }),
        is_active: Type.Boolean(),
        down_for_it: Type.Boolean(),
        clicks: Type.Integer(),
      }),
      { description: `at most ${LIMITS.reportLinks}, in the order of ids` },
    ),
    is_more: Type.Boolean({ description: "whether it took more links than are named" }),
    clicks: Type.Integer({ description: "by people, on the links that are named, in the window" }),
    still_followed: Type.Array(Type.Object({ short_code: Type.String(), why: Type.String() }), {
      description: "links that browsers may follow without asking: a permanent status, or a max-age",
    }),
  },
  { $id: "IncidentReport" },
);
export type IncidentReport = Static<typeof IncidentReport>;

const WEEK_HOURS = 7 * 24;

/** Throws not_found. */
export function reportIncident({ store, clock }: Core, viewer: Viewer, id: number): Promise<IncidentReport> {
  return store.scan(async (sql) => {
    const incident = incidentFromRow(await mustFindIncident(sql, id));
    const openedHour = Math.floor(Date.parse(incident.created_at) / HOUR_MS);
    const hours = { fromHour: openedHour - WEEK_HOURS, toHour: Math.floor(clock.now() / HOUR_MS) + 1 };
    const { timeline, taken, isMore } = await readHistory(sql, viewer, incident);
    const links: IncidentReport["links"] = [];
    const stillFollowed: IncidentReport["still_followed"] = [];
    for (let at = 0; at < taken.length; at += LIMITS.pageSizeMax)
      await describeLinks(
        sql,
        { incident, hours, ids: taken.slice(at, at + LIMITS.pageSizeMax) },
        { links, stillFollowed },
      );
    return {
      incident,
      at: formatTime(clock.now()),
      window: { from: formatTime(hours.fromHour * HOUR_MS), to: formatTime(hours.toHour * HOUR_MS) },
      timeline,
      links,
      is_more: isMore,
      clicks: links.reduce((sum, { clicks }) => sum + clicks, 0),
      still_followed: stillFollowed,
    };
  });
}

/** Its events, those that did the same one after the other as one line; and the ids of the links it took. */
async function readHistory(sql: Sql, viewer: Viewer, { id }: Incident) {
  const timeline: IncidentReport["timeline"] = [];
  const taken = new Set<number>();
  let isMore = false;
  for (let afterVersion = 0; ; ) {
    const rows = await listHistory(
      sql,
      { type: INCIDENT.type, id },
      { afterVersion, limit: LIMITS.pageSizeMax, offset: 0 },
    );
    const events = await showEvents(sql, rows, viewer);
    for (const [at, row] of rows.entries()) {
      const links = linksOf(row);
      for (const link of links.taken)
        if (taken.size < LIMITS.reportLinks) taken.add(link);
        else isMore ||= !taken.has(link);
      const what =
        row.op === "created"
          ? "opened"
          : row.op === "deleted"
            ? "closed"
            : links.taken.length > 0
              ? "took down"
              : "brought back";
      const who = events[at]?.actor_name ?? "(erased)";
      const count = links.taken.length + links.undone.length;
      const last = timeline.at(-1);
      const event = eventNameOf(row);
      if (last && last.what === what && last.who === who && row.op === "updated")
        Object.assign(last, { links: last.links + count, through: event });
      else timeline.push({ at: formatTime(row.at_ms), what, who, links: count, event, through: event });
    }
    if (rows.length < LIMITS.pageSizeMax) return { timeline, taken: [...taken].sort((a, b) => a - b), isMore };
    afterVersion = rows.at(-1)?.version ?? afterVersion;
  }
}

function linksOf({ state }: Pick<EventWithPrevious, "state">): { readonly taken: number[]; readonly undone: number[] } {
  const { taken = [], undone = [] } = (stateOf(state)?.links ?? {}) as { taken?: number[]; undone?: number[] };
  return { taken, undone };
}

interface Asked {
  readonly incident: Incident;
  readonly hours: { readonly fromHour: number; readonly toHour: number };
  readonly ids: readonly number[];
}

async function describeLinks(
  sql: Sql,
  { incident, hours, ids }: Asked,
  into: { readonly links: IncidentReport["links"]; readonly stillFollowed: IncidentReport["still_followed"] },
): Promise<void> {
  const found: readonly SubjectRow[] = await findSubjects(sql, LINK, ids);
  const rows = [...(found as readonly LinkRow[])].sort((a, b) => a.id - b.id);
  const clicks = new Map((await sumClicksOf(sql, ids, hours)).map((row) => [row.url_id, row.clicks]));
  for (const row of rows) {
    const { id, short_code, original_url, is_active, incident_id, status, max_age } = row;
    into.links.push({
      short_code,
      original_url,
      is_active: is_active === 1,
      down_for_it: incident_id === incident.id,
      clicks: clicks.get(id) ?? 0,
    });
    if (status === 301 || status === 308)
      into.stillFollowed.push({ short_code, why: `status ${status}, for as long as a browser likes` });
    else if (max_age !== null)
      into.stillFollowed.push({ short_code, why: `max-age, for ${max_age} s after it was followed` });
  }
}
