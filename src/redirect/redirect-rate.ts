// How many redirects come a second: bulk work makes room for them.

import { LIMITS } from "../limits.ts";
import type { Clock } from "../runtime/clock.ts";

export class RedirectRate {
  readonly #clock: Clock;
  /** How many there have been. */
  readonly #count: () => number;
  #lookedMs: number;
  #counted: number;
  #rate: number | undefined;

  constructor(clock: Clock, count: () => number) {
    this.#clock = clock;
    this.#count = count;
    this.#lookedMs = clock.monotonic();
    this.#counted = count();
  }

  /** Counted anew when asked, where the last count is old enough: over less time there may be none by chance. Undefined where it is too old. */
  get perSecond(): number | undefined {
    const nowMs = this.#clock.monotonic();
    const ms = nowMs - this.#lookedMs;
    if (ms >= LIMITS.redirectRateMs) {
      const counted = this.#count();
      this.#rate = ms > LIMITS.redirectRateOldMs ? undefined : ((counted - this.#counted) / ms) * 1000;
      this.#counted = counted;
      this.#lookedMs = nowMs;
    }
    return this.#rate;
  }
}
