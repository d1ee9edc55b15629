// The redirect plane of one process: cache and resolver, kept right by the log's feed; the warm set and the hot links beside them.

import { join } from "node:path";
import type { LogFeed } from "../audit/feed.ts";
import type { Config } from "../config/settings.ts";
import type { RedirectPlane } from "../http/service.ts";
import type { Metrics } from "../metrics/registry.ts";
import type { Committed } from "../operations/context.ts";
import { RedirectCache } from "../redirect/cache.ts";
import { HotLinks } from "../redirect/hot-links.ts";
import { newRedirectCounts, publishRedirects } from "../redirect/metrics.ts";
import { RedirectRate } from "../redirect/redirect-rate.ts";
import { Resolver } from "../redirect/resolve.ts";
import { WarmKeeper } from "../redirect/warm-keeper.ts";
import { type WarmLinks, WarmSet } from "../redirect/warm-set.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Outside } from "../runtime/outside.ts";
import type { Store } from "../store/store.ts";
import type { Part } from "./parts.ts";

export interface Redirects extends RedirectPlane {
  readonly cache: RedirectCache;
  /** Takes up what this process has just changed. */
  committed(changes: readonly Committed[], isBulk: boolean): void;
  /** Before the feed starts: it goes on from where the warm set was written. */
  readonly warmSet: Part;
  readonly hotLinks: Part;
}

export interface RedirectsParts {
  readonly outside: Outside;
  readonly store: Store;
  readonly feed: LogFeed;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly origin: string;
  /** Whether this process keeps what a host needs once. */
  readonly isLeader: boolean;
  /** See Resolver. */
  readonly leaseUntilMs: () => number;
}

/** The warm set of this host, where it was written recently enough to be served without the database. */
export function readUsableWarmSet(config: Config, origin: string, outside: Outside): WarmLinks | undefined {
  const warm = warmSetOf(config, outside).read(origin);
  return warm && outside.clock.now() - warm.heard_at_ms <= config.cacheOutage ? warm : undefined;
}

function warmSetOf(config: Config, outside: Outside): WarmSet {
  return new WarmSet(join(config.dataDir, "warm-links"), outside);
}

export function createRedirects(config: Config, parts: RedirectsParts): Redirects {
  const { outside, store, feed, metrics, log, origin, isLeader, leaseUntilMs } = parts;
  const { clock } = outside;
  const counts = newRedirectCounts();
  const cache = new RedirectCache({
    entries: config.cacheEntries,
    missing: config.cacheMissing,
    bytes: config.cacheMegabytes * 2 ** 20,
    onRekey: () => {
      counts.rekeys += 1;
    },
  });
  publishRedirects(metrics, counts, cache);
  const silentMs = () => clock.monotonic() - feed.heardMs;
  const resolver = new Resolver({
    clock,
    store,
    cache,
    heardMs: () => feed.heardMs,
    leaseUntilMs,
    isStoreSilent: () => feed.isFailing,
    staleMaxMs: config.cacheStaleMax,
    outageMs: config.cacheOutage,
    counts: counts.lookups,
  });
  const keeper = new WarmKeeper({
    warmSet: warmSetOf(config, outside),
    cache,
    clock,
    isWriter: isLeader,
    standing: () => {
      const { place } = feed;
      if (place === undefined || silentMs() > config.cacheOutage) return undefined;
      const { next, epoch, toldHash } = place;
      const told = toldHash === undefined ? {} : { told: Buffer.from(toldHash).toString("base64") };
      return { origin, next, epoch, ...told, heard_at_ms: Math.floor(clock.now() - silentMs()) };
    },
    onFailure: (error) => log.warn("the warm set cannot be written", describeError(error)),
  });
  const hotLinks = new HotLinks({
    store,
    cache,
    resolver,
    clock,
    isTelling: isLeader,
    isHearing: () => feed.next !== undefined,
    onFailure: (error) => log.debug("hot links cannot be shared now", describeError(error)),
  });
  feed.follow({
    onEntries(entries) {
      for (const { link } of entries) {
        if (link === null) continue;
        resolver.refresh(link);
        keeper.strike(link.short_code);
      }
    },
    forget() {
      resolver.forget();
      keeper.forget();
    },
  });

  return {
    resolver,
    counts,
    rate: new RedirectRate(clock, () => counts.answers.found.count),
    cache,
    canServeAlone: () => silentMs() <= config.cacheOutage && cache.size.links > 0,
    committed(changes, isBulk) {
      for (const { link, op } of changes) {
        if (link === null) continue;
        if (isBulk || op === "imported") resolver.refresh(link);
        else resolver.put(link);
        // No file names what has only now come to be.
        if (op !== "created") keeper.strikeOwn(link.short_code);
      }
    },
    warmSet: {
      name: "warm set",
      start() {
        const warm = readUsableWarmSet(config, origin, outside);
        if (warm) {
          for (const [code, link] of [...warm.links].reverse()) cache.set(code, link);
          const toldHash = warm.told === undefined ? undefined : Buffer.from(warm.told, "base64");
          const place = { epoch: warm.epoch ?? 0, next: warm.next, toldHash };
          feed.resume(place, clock.monotonic() - (clock.now() - warm.heard_at_ms));
          log.info("warm links read", { links: warm.links.length });
        }
        keeper.start();
      },
      close: () => keeper.close(),
    },
    hotLinks: {
      name: "hot links",
      start() {
        feed.onFirstLook(() => void hotLinks.learn());
        hotLinks.start();
      },
      close: () => hotLinks.close(),
    },
  };
}
