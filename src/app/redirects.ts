// The moving parts of the redirect plane in one process: cache, resolver, warm set, all kept right by the log's feed.

import { join } from "node:path";
import type { LogFeed } from "../audit/feed.ts";
import type { Config } from "../config/settings.ts";
import { LIMITS } from "../limits.ts";
import type { Metrics } from "../metrics/registry.ts";
import type { Committed } from "../operations/context.ts";
import { RedirectCache } from "../redirect/cache.ts";
import { readHotLinks, tellHotLinks } from "../redirect/hot-links.ts";
import { Resolver } from "../redirect/resolve.ts";
import { type WarmLinks, WarmSet } from "../redirect/warm-set.ts";
import type { Timer } from "../runtime/clock.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Outside } from "../runtime/outside.ts";
import type { Store } from "../store/store.ts";

export interface Redirects {
  readonly resolver: Resolver;
  readonly cache: RedirectCache;
  /** Whether links that are known would redirect without the database. */
  readonly canServeAlone: () => boolean;
  /** Takes up what this process has just changed. */
  committed(changes: readonly Committed[]): void;
  /** Takes up the warm set, and keeps it where no other process of this host does. Before the feed starts. */
  start(isKeeper: boolean): void;
  close(): void;
}

export interface RedirectsParts {
  readonly outside: Outside;
  readonly store: Store;
  readonly feed: LogFeed;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly origin: string;
}

/** The warm set of this host, where it was written recently enough to be served without the database. */
export function readUsableWarmSet(config: Config, origin: string, outside: Outside): WarmLinks | undefined {
  const warm = new WarmSet(warmPath(config), outside).read(origin);
  return warm && outside.clock.now() - warm.heard_at_ms <= config.cacheOutage ? warm : undefined;
}

function warmPath(config: Config): string {
  return join(config.dataDir, "warm-links");
}

export function createRedirects(
  config: Config,
  { outside, store, feed, metrics, log, origin }: RedirectsParts,
): Redirects {
  const { clock } = outside;
  const cache = new RedirectCache({
    entries: config.cacheEntries,
    missing: config.cacheMissing,
    bytes: config.cacheMegabytes * 2 ** 20,
    onRekey: () => {
      metrics.cache.rekey += 1;
    },
  });
  const warmSet = new WarmSet(warmPath(config), outside);
  const silentMs = () => clock.monotonic() - feed.heardMs;
  const resolver = new Resolver({
    clock,
    store,
    cache,
    silentMs,
    isStoreSilent: () => feed.isFailing,
    staleMaxMs: config.cacheStaleMax,
    outageMs: config.cacheOutage,
    counts: metrics.cache,
  });
  let timer: Timer | undefined;
  let hotTimer: Timer | undefined;
  let isStarted = false;
  const strike = (code: string) => {
    if (timer !== undefined) withWarmSet(() => warmSet.strike(code));
  };
  // What has been committed must be answered as committed, whatever becomes of the file.
  const withWarmSet = (run: () => void) => {
    try {
      run();
    } catch (error) {
      log.warn("the warm set cannot be written", describeError(error));
    }
  };
  feed.onEntries((entries) => {
    for (const { link } of entries) {
      if (link === null) continue;
      resolver.refresh(link);
      strike(link.short_code);
    }
  });
  /** Tells the store which links are hot here, and learns those that are hot elsewhere: an outage may come at any time. */
  let isSharing = false;
  const shareHotLinks = async (isTelling: boolean) => {
    // Before the log is heard a change could be missed between reading and hearing.
    if (isSharing || feed.next === undefined) return;
    isSharing = true;
    try {
      if (isTelling) await tellHotLinks(store, cache, clock.now());
      await resolver.learn(() => readHotLinks(store));
    } catch (error) {
      log.debug("hot links cannot be shared now", describeError(error));
    } finally {
      isSharing = false;
    }
  };
  const writeWarmSet = () => {
    // The file says until when the log was heard, so that another start is bound by the same time.
    if (feed.next === undefined || silentMs() > config.cacheOutage) return;
    const heard_at_ms = Math.floor(clock.now() - silentMs());
    const { next } = feed;
    withWarmSet(() => warmSet.write({ origin, next, heard_at_ms }, cache));
  };

  return {
    resolver,
    cache,
    canServeAlone: () => silentMs() <= config.cacheOutage && cache.size.links > 0,
    committed(changes) {
      for (const { link, op } of changes) {
        if (link === null) continue;
        // An import is of more links than anybody is about to follow.
        if (op === "imported") resolver.refresh(link);
        else resolver.put(link);
        // No file names what has only now come to be.
        if (op === "created") continue;
        strike(link.short_code);
        // The keeper of the file may not have heard of it yet.
        if (isStarted && timer === undefined) withWarmSet(() => warmSet.append(link.short_code));
      }
    },
    start(isKeeper) {
      isStarted = true;
      const warm = readUsableWarmSet(config, origin, outside);
      if (warm) {
        for (const [code, link] of [...warm.links].reverse()) cache.set(code, link);
        feed.resume(warm.next, clock.monotonic() - (clock.now() - warm.heard_at_ms));
        log.info("warm links read", { links: warm.links.length });
      }
      if (isKeeper) timer = clock.every(LIMITS.warmWriteMs, writeWarmSet);
      feed.onFirstLook(() => void shareHotLinks(false));
      hotTimer = clock.every(LIMITS.hotMs, () => void shareHotLinks(isKeeper));
      hotTimer.unref();
    },
    close() {
      clock.cancel(timer);
      clock.cancel(hotTimer);
      if (timer !== undefined) writeWarmSet();
      timer = undefined;
    },
  };
}
