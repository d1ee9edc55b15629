// What this process knows before it asks: ids that were drawn for later, a block at a time, and the generation the store was
// finalized for when it was last read. So a transaction that only makes things begins with its write, which asks about their
// makers' keys as well.

import { LIMITS } from "../limits.ts";
import type { Subject } from "../model/subject.ts";

export class Ahead {
  /** Drawn from a sequence, so they are unique; at most LIMITS.idsAhead of each kind. */
  readonly #ids = new Map<Subject, number[]>();
  #generation: number | undefined;

  /** Undefined where as many are not there, or nothing is known yet. */
  take(subject: Subject, count: number): { readonly ids: readonly number[]; readonly generation: number } | undefined {
    const ids = this.#ids.get(subject) ?? [];
    if (this.#generation === undefined || ids.length < count) return undefined;
    return { ids: ids.splice(0, count), generation: this.#generation };
  }

  /** How many are to be drawn now, so that there are some the next time; 0 where there are enough. */
  lacks(subject: Subject): number {
    const there = this.#ids.get(subject)?.length ?? 0;
    return there > LIMITS.idsAhead / 2 ? 0 : LIMITS.idsAhead - there;
  }

  learn(generation: number): void {
    this.#generation = generation;
  }

  keep(subject: Subject, drawn: readonly number[]): void {
    const ids = this.#ids.get(subject) ?? [];
    ids.push(...drawn.slice(0, Math.max(0, LIMITS.idsAhead - ids.length)));
    this.#ids.set(subject, ids);
  }

  /** An import may have given them to others. */
  forget(): void {
    this.#ids.clear();
  }
}
