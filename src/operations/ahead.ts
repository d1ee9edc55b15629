// What this process knows before it asks: ids that were drawn for later, one with each transaction that makes something, and the
// generation the store was finalized for when it was last read. So a transaction that only makes one thing begins with its write,
// which asks about the caller's key as well.

import { LIMITS } from "../limits.ts";
import type { Subject } from "../model/subject.ts";
import type { Standing } from "../store/queries/keys.ts";

export class Ahead {
  /** Drawn from a sequence, so they are unique; at most LIMITS.idsAhead of each kind. */
  readonly #ids = new Map<Subject, number[]>();
  #generation: number | undefined;

  /** Undefined where nothing is known yet. */
  take(subject: Subject): { readonly id: number; readonly generation: number } | undefined {
    const id = this.#generation === undefined ? undefined : this.#ids.get(subject)?.pop();
    return id === undefined || this.#generation === undefined ? undefined : { id, generation: this.#generation };
  }

  /** Takes up what a transaction has read, with an id that it did not use. */
  learn(subject: Subject, { generation, drawn_id }: Standing): void {
    this.#generation = generation;
    const ids = this.#ids.get(subject) ?? [];
    if (drawn_id !== null && ids.length < LIMITS.idsAhead) ids.push(drawn_id);
    this.#ids.set(subject, ids);
  }

  /** An import may have given them to others. */
  forget(): void {
    this.#ids.clear();
  }
}
