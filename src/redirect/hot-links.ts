// Tells the store which links are hot in this process, and learns which are elsewhere: for one that is cold, before an outage.

import { LIMITS } from "../limits.ts";
import type { Destination } from "../model/destination.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { forgetHotLinks, listHotLinks, nameHotLinks } from "../store/queries/hot-links.ts";
import type { Store } from "../store/store.ts";
import type { RedirectCache } from "./cache.ts";
import type { Resolver } from "./resolve.ts";

export interface HotLinksOptions {
  readonly store: Store;
  readonly cache: RedirectCache;
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Whether this process tells, or only learns. */
  readonly isTelling: boolean;
  /** Before the log is heard a change could be missed between reading and hearing. */
  readonly isHearing: () => boolean;
  readonly onFailure: (error: unknown) => void;
}

export class HotLinks {
  readonly #options: HotLinksOptions;
  #timer: Timer | undefined;
  #isSharing = false;

  constructor(options: HotLinksOptions) {
    this.#options = options;
  }

  /** Shares every LIMITS.hotMs from now on; call learn() as soon as the log is heard. */
  start(): void {
    const { clock, isTelling } = this.#options;
    this.#timer ??= clock.every(LIMITS.hotMs, () => void this.#share(isTelling));
    this.#timer.unref();
  }

  close(): void {
    this.#options.clock.cancel(this.#timer);
  }

  learn(): Promise<void> {
    return this.#share(false);
  }

  async #share(isTelling: boolean): Promise<void> {
    const { store, cache, resolver, clock, isHearing, onFailure } = this.#options;
    if (this.#isSharing || !isHearing()) return;
    this.#isSharing = true;
    try {
      if (isTelling) await tellHotLinks(store, cache, clock.now());
      await resolver.learn(() => readHotLinks(store));
    } catch (error) {
      onFailure(error);
    } finally {
      this.#isSharing = false;
    }
  }
}

/** Those that any process named last, the latest first; at most LIMITS.warmLinks. */
export function readHotLinks(store: Store): Promise<readonly Destination[]> {
  return store.scan((sql) => listHotLinks(sql, LIMITS.warmLinks));
}

/** Names the links that were used last here, as used at `used_at_ms`, and forgets all but the latest LIMITS.warmLinks. */
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
