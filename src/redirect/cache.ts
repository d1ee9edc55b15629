// Where links lead, in memory: two bounded generations of links that are there, and two of unknown codes.
// It never extends the life of what it holds by itself: who asks says whether it may be trusted, and expiry is the asker's.

import { LIMITS } from "../limits.ts";
import { isSameValue } from "../model/field.ts";
import type { CachedLink } from "./cached-link.ts";
import { LinkTable } from "./link-table.ts";

export interface CacheLimits {
  /** Links, and codes without one, that are held at the most. */
  readonly entries: number;
  readonly missing: number;
  /** Estimated size of the links held at the most. */
  readonly bytes: number;
  /** Told of each part of a table that was laid out anew (link-table.ts). */
  readonly onRekey?: () => void;
}

/** Room for the longest code there is. */
const MISSING_BYTES = LIMITS.codeMaxChars + 40;
/** Stands for a code that belongs to no link, where only its being there counts. */
const NOTHING: CachedLink = {
  outcome: "inactive",
  urlId: 0,
  expiresAtMs: null,
  location: "",
  version: 0,
  cachedAtMs: 0,
  options: undefined,
};

export class RedirectCache {
  readonly #links: Generations;
  readonly #missing: Generations;

  constructor({ entries, missing, bytes, onRekey = () => {} }: CacheLimits) {
    this.#links = new Generations(entries, bytes, onRekey);
    this.#missing = new Generations(missing, missing * MISSING_BYTES, onRekey);
  }

  /** The link, null for a code known to be unused, undefined if nothing is known. */
  get(code: string): CachedLink | null | undefined {
    const link = this.#links.get(code);
    if (link !== undefined) return link;
    return this.#missing.get(code) === undefined ? undefined : null;
  }

  /** Keeps a newer version of the link where it holds one: a code is never given to another link. */
  set(code: string, link: CachedLink | null): void {
    if (link === null) {
      if (this.#links.get(code) === undefined) this.#missing.set(code, NOTHING);
    } else {
      this.#missing.delete(code);
      this.#links.set(code, link);
    }
  }

  /** What the store itself has just said, older than what is held or not: a database that was restored has gone back. */
  correct(code: string, link: CachedLink | null): void {
    const held = this.#links.get(code);
    if (held !== undefined && (link === null || held.version > link.version)) this.evict(code);
    this.set(code, link);
  }

  /** The link as it has become, where anything is held of its code. */
  refresh(code: string, read: () => CachedLink): void {
    if (this.get(code) !== undefined) this.set(code, read());
  }

  clear(): void {
    this.#links.clear();
    this.#missing.clear();
  }

  /** True where the link was held. */
  evict(code: string): boolean {
    this.#missing.delete(code);
    return this.#links.delete(code);
  }

  /** How many were let go to make room. */
  get evictions(): number {
    return this.#links.evictions + this.#missing.evictions;
  }

  get size(): { readonly links: number; readonly missing: number; readonly bytes: number } {
    return { links: this.#links.size, missing: this.#missing.size, bytes: this.#links.bytes };
  }

  /** The most recently used links, newest generation first. */
  *recent(limit: number): Generator<[string, CachedLink]> {
    let left = limit;
    for (const entry of this.#links.entries()) {
      if (left-- <= 0) return;
      yield entry;
    }
  }
}

/**
 * Two tables: what is used goes into the young one; when that is half of all that may be held, it becomes the old one and the
 * old one is dropped whole. Nothing is moved on most hits and nothing is searched on eviction.
 */
class Generations {
  readonly #entries: number;
  readonly #bytes: number;
  readonly #onRekey: () => void;
  #young: LinkTable;
  #old: LinkTable;
  evictions = 0;

  constructor(entries: number, bytes: number, onRekey: () => void) {
    this.#entries = entries;
    this.#bytes = bytes;
    this.#onRekey = onRekey;
    this.#young = new LinkTable({ onRekey });
    this.#old = new LinkTable({ onRekey });
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get bytes(): number {
    return this.#young.bytes + this.#old.bytes;
  }

  get(code: string): CachedLink | undefined {
    const young = this.#young.get(code);
    if (young !== undefined) return young;
    const old = this.#old.get(code);
    if (old !== undefined) {
      this.#old.delete(code);
      this.#add(code, old);
    }
    return old;
  }

  set(code: string, link: CachedLink): void {
    const held = this.get(code);
    if (held !== undefined && (held.version > link.version || isSame(held, link))) return;
    if (held !== undefined) this.delete(code);
    this.#add(code, link);
  }

  delete(code: string): boolean {
    return this.#young.delete(code) || this.#old.delete(code);
  }

  clear(): void {
    this.#young = new LinkTable({ onRekey: this.#onRekey });
    this.#old = new LinkTable({ onRekey: this.#onRekey });
  }

  *entries(): Generator<[string, CachedLink]> {
    yield* this.#young.entries();
    yield* this.#old.entries();
  }

  #add(code: string, link: CachedLink): void {
    if (this.#entries < 2) return;
    const cost = LinkTable.costOf(code, link);
    if (this.#young.size >= Math.floor(this.#entries / 2) || this.#young.bytes + cost > this.#bytes / 2) {
      this.evictions += this.#old.size;
      this.#old = this.#young;
      this.#young = new LinkTable({ onRekey: this.#onRekey });
    }
    // One that is larger than a generation may be is not worth having.
    if (cost <= this.#bytes / 2) this.#young.set(code, link);
  }
}

function isSame(a: CachedLink, b: CachedLink): boolean {
  return (
    a.version === b.version &&
    a.outcome === b.outcome &&
    a.urlId === b.urlId &&
    a.expiresAtMs === b.expiresAtMs &&
    a.location === b.location &&
    isSameValue(a.options, b.options)
  );
}
