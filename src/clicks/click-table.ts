// Counts clicks by link and visitor in flat arrays: adding one allocates nothing, and a full table is written as it stands.

import { LIMITS } from "../limits.ts";

/** Twice as many places as rows, so that a free one is near. */
const PLACES = 2 * LIMITS.clickTableRows;
const PLACE_BITS = Math.log2(PLACES);

export class ClickTable {
  /** `urlId * LIMITS.visitors + visitor`, exact for link ids below 2^41; in the order in which they came. */
  readonly keys = new Float64Array(LIMITS.clickTableRows);
  readonly counts = new Uint32Array(LIMITS.clickTableRows);
  rows = 0;
  clicks = 0;
  /** By visitor: whether any key names it. */
  readonly #visitors = new Uint8Array(LIMITS.visitors);
  /** By hash of the key: its row and one, 0 for none. */
  readonly #places = new Uint16Array(PLACES);

  get isFull(): boolean {
    return this.rows === LIMITS.clickTableRows;
  }

  /** There must be room. */
  add(urlId: number, visitor: number): void {
    const key = urlId * LIMITS.visitors + visitor;
    let place = (Math.imul(urlId, 0x9e3779b1) + Math.imul(visitor, 0x85ebca6b)) >>> (32 - PLACE_BITS);
    for (;;) {
      const row = (this.#places[place] as number) - 1;
      if (row === -1) break;
      if (this.keys[row] === key) {
        this.counts[row] = (this.counts[row] as number) + 1;
        this.clicks += 1;
        return;
      }
      place = (place + 1) % PLACES;
    }
    this.keys[this.rows] = key;
    this.counts[this.rows] = 1;
    this.#visitors[visitor] = 1;
    this.rows += 1;
    this.#places[place] = this.rows;
    this.clicks += 1;
  }

  /** The numbers of the visitors that were counted. */
  visitors(): number[] {
    const numbers: number[] = [];
    for (let at = this.#visitors.indexOf(1); at !== -1; at = this.#visitors.indexOf(1, at + 1)) numbers.push(at);
    return numbers;
  }

  clear(): void {
    this.rows = 0;
    this.clicks = 0;
    this.#visitors.fill(0);
    this.#places.fill(0);
  }
}
