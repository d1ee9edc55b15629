// How many referring hosts of a link are told apart in an hour: one client can name thousands, and each would be a row.
// Of this process and in memory; past the cap, and past LIMITS.referrerPairs of all links together, a referrer is `other`.

import { LIMITS } from "../limits.ts";
import type { ClickHour } from "../store/queries/clicks.ts";

export class ReferrerCap {
  readonly #most: number;
  /** By hour and link. Hours that are over are dropped when a later one begins. */
  readonly #known = new Map<number, Map<number, Set<string>>>();
  #pairs = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** The same clicks, each key once: rows whose referrer is one too many are rows of `other`. */
  apply(rows: readonly ClickHour[]): ClickHour[] {
    const merged = new Map<string, ClickHour>();
    for (const row of rows) {
      const referrer = this.#admits(row) ? row.referrer : "other";
      const name = `${row.url_id} ${row.hour} ${row.kind} ${row.device} ${referrer}`;
      const clicks = row.clicks + (merged.get(name)?.clicks ?? 0);
      merged.set(name, { ...row, referrer, clicks });
    }
    return [...merged.values()];
  }

  #admits({ url_id, hour, referrer }: ClickHour): boolean {
    if (referrer === "" || referrer === "other") return true;
    const links = this.#linksOf(hour);
    const known = links.get(url_id) ?? new Set();
    if (known.has(referrer)) return true;
    if (known.size >= this.#most || this.#pairs >= LIMITS.referrerPairs) return false;
    links.set(url_id, known.add(referrer));
    this.#pairs += 1;
    return true;
  }

  #linksOf(hour: number): Map<number, Set<string>> {
    const known = this.#known.get(hour);
    if (known) return known;
    // A spool may bring hours of long ago, in any order: the latest few are enough.
    for (const oldest of [...this.#known.keys()].sort((a, b) => a - b).slice(0, -(LIMITS.referrerHours - 1))) {
      for (const referrers of this.#known.get(oldest)?.values() ?? []) this.#pairs -= referrers.size;
      this.#known.delete(oldest);
    }
    const links = new Map<number, Set<string>>();
    this.#known.set(hour, links);
    return links;
  }
}
