// Looks for events that are in neither queue nor log, because somebody removed their queue row, and queues them again.

import { LIMITS } from "../../limits.ts";
import { GENERATION } from "../../store/generation.ts";
import {
  enqueue,
  findEventIdAt,
  findNewestEventId,
  listForgotten,
  lockLogHead,
  readLogHead,
} from "../../store/queries/log.ts";
import type { Store, Tx } from "../../store/store.ts";
import type { Alarm } from "../alarm.ts";

const ENQUEUED_AT_ONCE = 1_000;

/** The id behind which the minute's look begins: LIMITS.sweepIds before that of the log's last event. */
export function startOfSweep(store: Store): Promise<number> {
  return store.read(async (sql) => {
    const [head] = await readLogHead(sql);
    const [last] = head === undefined || head.size === 0 ? [] : await findEventIdAt(sql, head.size - 1);
    return Math.max(0, (last?.event_id ?? 0) - LIMITS.sweepIds);
  });
}

/**
 * Of events with an id past `afterId`, LIMITS.sweepIds a transaction; how many were queued again. An event, its queue row and its
 * leaf come and go in single transactions, so one statement's snapshot sees exactly one of queue row and leaf.
 */
export async function sweep(store: Store, alarm: Alarm, afterId: number): Promise<number> {
  let found = 0;
  for (let isMore = true, from = afterId; isMore; ) {
    const part = await store.begin((tx) => sweepPart(tx, from));
    for (const id of part.ids)
      alarm("forgotten", "an event was in neither queue nor log: its queue row was removed; it is queued again", {
        event_id: id,
      });
    found += part.ids.length;
    from = part.throughId;
    isMore = part.isMore;
  }
  return found;
}

async function sweepPart(tx: Tx, afterId: number) {
  const [head] = await lockLogHead(tx);
  const newestId = head ? ((await findNewestEventId(tx))[0]?.id ?? 0) : 0;
  const throughId = Math.min(newestId, afterId + LIMITS.sweepIds);
  const forgotten = head ? await listForgotten(tx, afterId, throughId, LIMITS.sweepIds) : [];
  const ids = forgotten.map(({ id }) => id);
  for (let at = 0; at < ids.length; at += ENQUEUED_AT_ONCE)
    await enqueue(tx, ids.slice(at, at + ENQUEUED_AT_ONCE), GENERATION);
  return { ids, throughId, isMore: throughId < newestId };
}
