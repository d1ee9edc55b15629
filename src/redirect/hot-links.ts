// Tells the store which links are hot in this process, and learns which are elsewhere: for one that is cold, before an outage.

import { LIMITS } from "../limits.ts";
import type { Destination } from "../model/link.ts";
import { forgetHotLinks, listHotLinks, nameHotLinks } from "../store/queries/hot-links.ts";
import type { Store } from "../store/store.ts";
import type { RedirectCache } from "./cache.ts";

/** Those that any process named last, the latest first; at most LIMITS.warmLinks. */
export function readHotLinks(store: Store): Promise<readonly Destination[]> {
  return store.scan((sql) => listHotLinks(sql, LIMITS.warmLinks));
}

/** Names the links that were used last here, as used now (`used_at_ms`), and forgets all but the latest LIMITS.warmLinks. */
export async function tellHotLinks(store: Store, cache: RedirectCache, used_at_ms: number): Promise<void> {
  const ids = new Set<number>();
  for (const [, { urlId, outcome }] of cache.recent(LIMITS.warmLinks)) if (outcome === "found") ids.add(urlId);
  const links = [...ids].sort((a, b) => a - b).map((url_id) => ({ url_id, used_at_ms }));
  // What a power cut may undo is told again in ten minutes.
  const options = { isRelaxed: true };
  for (let at = 0; at < links.length; at += LIMITS.hotRows) {
    const part = links.slice(at, at + LIMITS.hotRows);
    await store.begin((tx) => nameHotLinks(tx, part, LIMITS.hotFreshMs), options);
  }
  await store.begin((tx) => forgetHotLinks(tx, LIMITS.warmLinks), options);
}
