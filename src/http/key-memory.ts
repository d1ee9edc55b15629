// Keys that were found to be good. While the store does not answer one lets its holder read, so that an outage is visible while it
// lasts; while the log is heard one need not be asked about before a change that asks by itself. What is remembered is forgotten at
// the first word of a change of the key or its user.

import { LIMITS } from "../limits.ts";
import type { EventType } from "../model/event.ts";
import { KEY } from "../model/key.ts";
import type { Role } from "../model/role.ts";
import { USER } from "../model/user.ts";
import type { Clock } from "../runtime/clock.ts";

export interface RememberedKey {
  readonly userId: number;
  readonly keyId: number;
  readonly role: Role;
  readonly expiresAtMs: number | null;
}

export class KeyMemory {
  /** By the key's SHA-256, the one verified last at the end. At most LIMITS.rememberedKeys; only good keys get in. */
  readonly #byHash = new Map<string, RememberedKey & { readonly verifiedMs: number }>();
  readonly #outageMs: number;
  readonly #isHeard: () => boolean;
  readonly #clock: Clock;
  #changes = 0;

  /**
   * `outageMs`: how long after it was last verified a key may be used unasked; 0 for never. `isHeard`: whether this process has
   * lately heard of all that was committed.
   */
  constructor(outageMs: number, clock: Clock, isHeard: () => boolean = () => false) {
    this.#clock = clock;
    this.#outageMs = outageMs;
    this.#isHeard = isHeard;
  }

  /** How many changes of keys and users were heard of: what was asked before the last of them is not remembered. */
  get changes(): number {
    return this.#changes;
  }

  /** `changes` as it was when the store was asked. */
  remember(hash: string, key: RememberedKey, changes: number): void {
    if (changes !== this.#changes) return;
    this.#byHash.delete(hash);
    this.#byHash.set(hash, { ...key, verifiedMs: this.#clock.monotonic() });
    for (const oldest of this.#byHash.keys()) {
      if (this.#byHash.size <= LIMITS.rememberedKeys) return;
      this.#byHash.delete(oldest);
    }
  }

  forget(hash: string): void {
    this.#byHash.delete(hash);
  }

  /** The key, where it was verified recently enough and has not expired by `nowMs`. */
  recall(hash: string, nowMs: number): RememberedKey | undefined {
    const key = this.#byHash.get(hash);
    if (key === undefined || this.#clock.monotonic() - key.verifiedMs > this.#outageMs) return undefined;
    return key.expiresAtMs !== null && key.expiresAtMs <= nowMs ? undefined : key;
  }

  /** The same while this process hears of changes: the key was good a moment ago. */
  recallHeard(hash: string, nowMs: number): RememberedKey | undefined {
    return this.#isHeard() ? this.recall(hash, nowMs) : undefined;
  }

  /** The log went back: no key need be good any more. */
  forgetAll(): void {
    this.#changes += 1;
    this.#byHash.clear();
  }

  /** A listener of what has changed, here or elsewhere. */
  heardOf(type: string, id: number, op: EventType): void {
    // That a key was made is often heard after it was first used, and ends nothing.
    if ((type !== USER.type && type !== KEY.type) || op === "created" || op === "imported") return;
    this.#changes += 1;
    for (const [hash, { userId, keyId }] of this.#byHash)
      if (type === USER.type ? userId === id : keyId === id) this.#byHash.delete(hash);
  }
}
