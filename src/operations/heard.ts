// Where an event stands in the log: what replicas must have heard to know of a change.

import type { Place } from "../audit/follower.ts";
import type { EventKey } from "../model/event.ts";
import { listStanding, readEpoch } from "../store/queries/log.ts";
import type { Core } from "./context.ts";

/** The place behind the event; undefined while it is on its way into the log. */
export async function placeBehind({ store }: Core, event: EventKey): Promise<Place | undefined> {
  const [standing, epoch] = await store.read((sql) => Promise.all([listStanding(sql, [event]), readEpoch(sql)]));
  const index = standing[0]?.log_index ?? null;
  return index === null ? undefined : { epoch: epoch[0]?.epoch ?? 0, next: index + 1 };
}
