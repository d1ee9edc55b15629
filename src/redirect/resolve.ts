// From a code to its target, or to the reason why there is none. A hit costs no query and no wait; a miss costs one query
// however many ask at once. What the cache says is believed only while this process hears from the log; while the store does
// not answer it is believed for a while longer, because a redirect that may be stale is worth more than none, and nobody whose
// link is known waits to find out.

import { DeadletterError, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Destination as StoredDestination } from "../model/destination.ts";
import { locationOf, templateLocationOf } from "../model/target.ts";
import type { Clock } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { findLinkByCode, lookUpLink } from "../store/queries/links.ts";
import type { Store } from "../store/store.ts";
import type { RedirectCache } from "./cache.ts";
import type { CachedLink } from "./cached-link.ts";
import { drawHashKey, keyedHash } from "./keyed-hash.ts";
import { cachedName } from "./link-table.ts";
import type { LookupCounts } from "./metrics.ts";

/** A link that redirects now. */
export type Found = CachedLink & { readonly outcome: "found" };

/** Why a link does not redirect. */
export type NotFound = "missing" | "inactive" | "expired" | "not_started";

export type Destination = Found | { readonly outcome: NotFound };

export interface ResolverOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly cache: RedirectCache;
  /** By the clock's monotonic(), when the log was last heard: the cache knows of all that was committed before then. */
  readonly heardMs: () => number;
  /** By the same, until when those who change links wait for this process to hear of it: past it the store is asked first. */
  readonly leaseUntilMs: () => number;
  /** Whether the store is known not to answer now, so that no lookup waits to find out. */
  readonly isStoreSilent: () => boolean;
  /** Past this silence the store is asked instead of the cache. */
  readonly staleMaxMs: number;
  /** Past this silence the cache is not believed even while the store is down; 0 never believes it then. */
  readonly outageMs: number;
  readonly counts: LookupCounts;
}

interface Flight {
  readonly code: string;
  readonly link: Promise<CachedLink | null>;
  isStale: boolean;
}

const MISSING: Destination = { outcome: "missing" };
const INACTIVE: Destination = { outcome: "inactive" };
const EXPIRED: Destination = { outcome: "expired" };
const NOT_STARTED: Destination = { outcome: "not_started" };

export class Resolver {
  readonly #options: ResolverOptions;
  /**
   * Lookups on their way; one whose code was heard of meanwhile is not cached. At most LIMITS.redirectLookups. By the keyed hash
   * of the code: strangers name codes, and could name thousands that a Map of texts would put into one place.
   */
  readonly #flights = new Map<number, Flight>();
  readonly #flightKey = drawHashKey();
  /** Of each learning that is under way, the codes that were heard of meanwhile. */
  readonly #heardMeanwhile = new Set<Set<string>>();
  /** How often all was forgotten. */
  #forgotten = 0;
  /** By the clock's monotonic(), until which the store is taken to be down: only one lookup at a time finds out. */
  #downUntilMs = 0;

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  /** The answer where it is known without waiting. Expiry is checked against `nowMs`, the moment of the request. */
  resolveNow(code: string, nowMs: number): Destination | undefined {
    const { cache, clock, heardMs, leaseUntilMs, staleMaxMs, counts } = this.#options;
    const link = cache.get(code);
    if (link === undefined) return undefined;
    const now = clock.monotonic();
    if (now - heardMs() > staleMaxMs || now > leaseUntilMs())
      return this.#isStoreSilent() ? this.#known(code, nowMs) : undefined;
    counts.hit += 1;
    return destinationOf(link, nowMs);
  }

  /** What the cache holds of a code; null for one that it knows to be unused, undefined where it knows nothing. */
  peek(code: string): CachedLink | null | undefined {
    return this.#options.cache.get(code);
  }

  /** Throws unavailable where the store must be asked and does not answer. */
  async resolve(code: string): Promise<Destination> {
    const { cache, counts, clock } = this.#options;
    const isKnown = cache.get(code) !== undefined;
    if (isKnown) counts.recheck += 1;
    else counts.miss += 1;
    const late = () => unavailable("the database did not answer in time");
    try {
      const lookup = this.#lookUp(code);
      // A lookup that is waited for no longer goes on, and finds out for everybody.
      return destinationOf(
        await (isKnown ? withDeadline(clock, lookup, { ms: LIMITS.storeLateMs, late }) : lookup),
        clock.now(),
      );
    } catch (error) {
      const isDown = error instanceof DeadletterError && error.code === "unavailable";
      const destination = isDown ? this.#known(code, clock.now()) : undefined;
      if (destination === undefined) throw error;
      return destination;
    }
  }

  /** What the cache says of a link while the store does not answer, as long as an outage may last. */
  #known(code: string, nowMs: number): Destination | undefined {
    const { cache, clock, heardMs, outageMs, counts } = this.#options;
    const link = clock.monotonic() - heardMs() <= outageMs ? cache.get(code) : undefined;
    if (link === undefined || link === null) return undefined;
    counts.outage += 1;
    return destinationOf(link, nowMs);
  }

  #isStoreSilent(): boolean {
    return this.#options.clock.monotonic() < this.#downUntilMs || this.#options.isStoreSilent();
  }

  /** By id or code, straight from the store: the rare path `/urls/{code or id}/redirect`. */
  async resolveAny(codeOrId: string): Promise<Destination> {
    const { store, clock } = this.#options;
    const [row] = await store.read((sql) => lookUpLink(sql, codeOrId));
    return destinationOf(row ? this.#cachedFrom(row) : null, clock.now());
  }

  /** Takes up at once what this process has made of a link. */
  put(link: StoredDestination): void {
    this.#heardOf(link.short_code);
    this.#options.cache.set(cachedName(link.short_code), this.#cachedFrom(link));
  }

  /** Takes up what has become of a link, where anything is known of it here. */
  refresh(link: StoredDestination): void {
    this.#heardOf(link.short_code);
    this.#options.cache.refresh(cachedName(link.short_code), () => this.#cachedFrom(link));
  }

  /** The log went back: nothing of what is known, or on its way, need be so any more. */
  forget(): void {
    this.#options.cache.clear();
    for (const flight of this.#flights.values()) flight.isStale = true;
    this.#flights.clear();
    this.#forgotten += 1;
  }

  /** Takes up links that nothing is known of yet; those that change while they are read are left out. */
  async learn(read: () => Promise<readonly StoredDestination[]>): Promise<number> {
    const { cache } = this.#options;
    const heard = new Set<string>();
    const forgotten = this.#forgotten;
    this.#heardMeanwhile.add(heard);
    try {
      const links = await read();
      if (forgotten !== this.#forgotten) return 0;
      const unknown = links.filter(({ short_code }) => !heard.has(short_code) && cache.get(short_code) === undefined);
      for (const link of unknown) cache.set(cachedName(link.short_code), this.#cachedFrom(link));
      return unknown.length;
    } finally {
      this.#heardMeanwhile.delete(heard);
    }
  }

  /** Its link has changed, or is new. */
  #heardOf(code: string): void {
    for (const heard of this.#heardMeanwhile) heard.add(code);
    // Whoever changed it reached the store.
    this.#downUntilMs = 0;
    if (this.#flights.size === 0) return;
    const hash = keyedHash(this.#flightKey, code);
    const flight = this.#flights.get(hash);
    if (flight?.code === code) {
      flight.isStale = true;
      // Who asks from now on must not be given what was read before the change.
      this.#flights.delete(hash);
    }
  }

  #cachedFrom(row: StoredDestination): CachedLink {
    return cachedFrom(row, this.#options.clock.now());
  }

  #lookUp(code: string): Promise<CachedLink | null> {
    const hash = keyedHash(this.#flightKey, code);
    const running = this.#flights.get(hash);
    if (running?.code === code) return running.link;
    if (this.#options.clock.monotonic() < this.#downUntilMs)
      return Promise.reject(unavailable("the database is unavailable"));
    if (this.#flights.size >= LIMITS.redirectLookups)
      return Promise.reject(unavailable("too many links are being looked up"));
    const link = this.#read(code);
    // Two codes of one hash at once, which is rare: the second is read by itself, and not cached.
    if (running) return link;
    const flight: Flight = { code, link, isStale: false };
    this.#flights.set(hash, flight);
    const settled = () => {
      if (this.#flights.get(hash) === flight) this.#flights.delete(hash);
    };
    link.then((found) => {
      settled();
      if (!flight.isStale) this.#options.cache.correct(code, found);
    }, settled);
    return link;
  }

  async #read(code: string): Promise<CachedLink | null> {
    const { store, clock } = this.#options;
    try {
      const reading = store.read((sql) => findLinkByCode(sql, code));
      const [row] = await withDeadline(clock, reading, {
        ms: LIMITS.redirectLookupMs,
        late: () => unavailable("the database did not answer in time"),
      });
      return row ? this.#cachedFrom(row) : null;
    } catch (error) {
      if (error instanceof DeadletterError && error.code === "unavailable")
        this.#downUntilMs = clock.monotonic() + LIMITS.redirectDownMs;
      throw error;
    }
  }
}

/** As it is at `nowMs`, since when it is known. */
function cachedFrom(row: StoredDestination, nowMs: number): CachedLink {
  const { original_url, forward, starts_at_ms, status, max_age, query_wins } = row;
  const isPlain = forward === "none" && starts_at_ms === null && status === 302 && max_age === null;
  return {
    outcome: row.is_active === 1 ? "found" : "inactive",
    urlId: row.id,
    expiresAtMs: row.expires_at_ms,
    location: forward === "template" ? templateLocationOf(original_url) : locationOf(original_url),
    version: row.version,
    cachedAtMs: nowMs,
    options: isPlain
      ? undefined
      : { startsAtMs: starts_at_ms, status, maxAgeS: max_age, forward, queryWins: query_wins },
  };
}

function destinationOf(link: CachedLink | null, nowMs: number): Destination {
  if (link === null) return MISSING;
  if (link.outcome === "inactive") return INACTIVE;
  if (link.expiresAtMs !== null && link.expiresAtMs <= nowMs) return EXPIRED;
  const startsAtMs = link.options?.startsAtMs ?? null;
  return startsAtMs !== null && startsAtMs > nowMs ? NOT_STARTED : (link as Found);
}
