// Everything of one kind, on its way out: a page at a time, each as the store has it when it is read, so that memory does not grow with
// how much there is.

import { LIMITS } from "../limits.ts";
import type { Viewer } from "../model/caller.ts";
import type { Event } from "../model/event.ts";
import { type Link, linkFromRow } from "../model/link.ts";
import { formatTime, HOUR_MS } from "../model/time.ts";
import type { ClickKind } from "../store/queries/clicks.ts";
import { listEventsAfter } from "../store/queries/events.ts";
import { listClickHoursAfter, listLinksAfter } from "../store/queries/exports.ts";
import type { Core } from "./context.ts";
import { showEvents } from "./events.ts";

export type ExportedLink = Link & {
  /** By people, as far as they were counted here. */
  readonly clicks: number;
  /** What another product had counted before. */
  readonly imported_clicks: number;
};

export interface ExportedClicks {
  readonly short_code: string;
  /** Start of the hour. */
  readonly hour: string;
  readonly kind: ClickKind;
  readonly device: string;
  readonly referrer: string;
  readonly clicks: number;
}

/** Those that were made or changed since, in the order of ids. */
export async function* exportLinks({ store }: Core, sinceMs: number): AsyncGenerator<ExportedLink[]> {
  for (let afterId = 0; ; ) {
    const rows = await store.scan((sql) => listLinksAfter(sql, afterId, sinceMs, LIMITS.exportRows));
    yield rows.map(({ imported, clicks, ...row }) => ({ ...linkFromRow(row), clicks, imported_clicks: imported }));
    if (rows.length < LIMITS.exportRows) return;
    afterId = rows.at(-1)?.id ?? afterId;
  }
}

/** Hours since, link by link in the order of ids. */
export async function* exportClicks({ store }: Core, sinceMs: number): AsyncGenerator<ExportedClicks[]> {
  const sinceHour = Math.floor(sinceMs / HOUR_MS);
  let after = { url_id: 0, hour: 0, kind: "bot" as ClickKind, device: "", referrer: "" };
  for (;;) {
    const rows = await store.scan((sql) => listClickHoursAfter(sql, after, sinceHour, LIMITS.exportRows));
    yield rows.map(({ short_code, hour, kind, device, referrer, clicks }) => {
      return { short_code, hour: formatTime(hour * HOUR_MS), kind, device, referrer, clicks };
    });
    const last = rows.at(-1);
    if (rows.length < LIMITS.exportRows || last === undefined) return;
    after = last;
  }
}

/** Events since, in the order in which they were written, as `viewer` may see them. */
export async function* exportEvents({ store }: Core, sinceMs: number, viewer: Viewer): AsyncGenerator<Event[]> {
  for (let afterId = 0; ; ) {
    const { events, lastId, isLast } = await store.scan(async (sql) => {
      const rows = await listEventsAfter(sql, afterId, sinceMs, LIMITS.exportEventRows);
      const isLast = rows.length < LIMITS.exportEventRows;
      return { events: await showEvents(sql, rows, viewer), lastId: rows.at(-1)?.id, isLast };
    });
    yield events;
    if (isLast) return;
    afterId = lastId ?? afterId;
  }
}
