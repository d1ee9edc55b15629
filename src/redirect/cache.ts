// Where links lead, in memory: two bounded generations of links that are there, and two of codes that nobody has.
// It never extends the life of what it holds by itself: who asks says whether it may be trusted, and expiry is the asker's.

export interface CachedLink {
  readonly outcome: "found" | "inactive";
  readonly urlId: number;
  readonly expiresAtMs: number | null;
  /** The target as the bytes of a Location header, one character a byte. */
  readonly location: string;
}

export interface CacheLimits {
  /** Links, and codes without one, that are held at the most. */
  readonly entries: number;
  readonly missing: number;
  /** Estimated size of the links held at the most. */
  readonly bytes: number;
}

/** What a link costs beside its two texts. Measured (bench/results): RSS grows by 361 MB for 1 M links of 40 characters. */
const ENTRY_OVERHEAD_BYTES = 320;

export class RedirectCache {
  readonly #links: Generations<CachedLink>;
  readonly #missing: Generations<true>;

  constructor({ entries, missing, bytes }: CacheLimits) {
    this.#links = new Generations(
      entries,
      bytes,
      (code, { location }) => ENTRY_OVERHEAD_BYTES + code.length + location.length,
    );
    this.#missing = new Generations(missing, Number.POSITIVE_INFINITY, () => 0);
  }

  /** The link, null for a code that nobody has, undefined where nothing is known. */
  get(code: string): CachedLink | null | undefined {
    const link = this.#links.get(code);
    if (link !== undefined) return link;
    return this.#missing.get(code) === undefined ? undefined : null;
  }

  set(code: string, link: CachedLink | null): void {
    if (link === null) this.#missing.set(code, true);
    else {
      this.#missing.delete(code);
      this.#links.set(code, link);
    }
  }

  /** True where the link was held. */
  evict(code: string): boolean {
    this.#missing.delete(code);
    return this.#links.delete(code);
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
 * Two maps: what is used goes into the young one; when that is half of all that may be held, it becomes the old one and the old
 * one is dropped whole. Nothing is moved on most hits and nothing is searched on eviction, unlike one map as a queue.
 */
class Generations<Value> {
  readonly #entries: number;
  readonly #bytes: number;
  readonly #sizeOf: (key: string, value: Value) => number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();
  #youngBytes = 0;
  #oldBytes = 0;

  constructor(entries: number, bytes: number, sizeOf: (key: string, value: Value) => number) {
    this.#entries = entries;
    this.#bytes = bytes;
    this.#sizeOf = sizeOf;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  get(key: string): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#old.delete(key);
    const size = this.#sizeOf(key, old);
    this.#oldBytes -= size;
    this.#add(key, old, size);
    return old;
  }

  set(key: string, value: Value): void {
    this.delete(key);
    this.#add(key, value, this.#sizeOf(key, value));
  }

  delete(key: string): boolean {
    const young = this.#young.get(key);
    if (young !== undefined) this.#youngBytes -= this.#sizeOf(key, young);
    const old = this.#old.get(key);
    if (old !== undefined) this.#oldBytes -= this.#sizeOf(key, old);
    return this.#young.delete(key) || this.#old.delete(key);
  }

  *entries(): Generator<[string, Value]> {
    yield* this.#young;
    yield* this.#old;
  }

  #add(key: string, value: Value, size: number): void {
    if (this.#entries < 2) return;
    if (this.#young.size >= this.#entries / 2 || this.#youngBytes + size > this.#bytes / 2) {
      this.#old = this.#young;
      this.#oldBytes = this.#youngBytes;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    // One that is larger than a generation may be is not worth having.
    if (size > this.#bytes / 2) return;
    this.#young.set(key, value);
    this.#youngBytes += size;
  }
}
