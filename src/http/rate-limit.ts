// Token buckets in a fixed table: whoever comes is counted in the bucket that a keyed hash of its name points at, so no flood of
// names takes more memory or a longer lookup, and no client can choose whose bucket it shares. Per process.

import { DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { drawHashKey, keyedHash } from "../redirect/keyed-hash.ts";
import type { Clock } from "../runtime/clock.ts";

const WINDOW_MS = 60_000;

export class RateLimit {
  readonly #name: string;
  readonly #perMinute: number;
  readonly #clock: Clock;
  readonly #key = drawHashKey();
  readonly #tokens: Float64Array;
  readonly #filledMs: Float64Array;

  /** `perMinute` at once at the most, and as many again in each minute. */
  constructor(name: string, perMinute: number, clock: Clock) {
    this.#name = name;
    this.#perMinute = perMinute;
    this.#clock = clock;
    this.#tokens = new Float64Array(LIMITS.rateBuckets).fill(perMinute);
    this.#filledMs = new Float64Array(LIMITS.rateBuckets);
  }

  /** Throws too_many_requests where `who` has none left, with Retry-After and the RateLimit fields of IETF httpapi. */
  take(who: string): void {
    const bucket = keyedHash(this.#key, who) & (LIMITS.rateBuckets - 1);
    const nowMs = this.#clock.monotonic();
    const refilled = ((nowMs - (this.#filledMs[bucket] as number)) * this.#perMinute) / WINDOW_MS;
    const tokens = Math.min(this.#perMinute, (this.#tokens[bucket] as number) + refilled);
    this.#filledMs[bucket] = nowMs;
    this.#tokens[bucket] = tokens < 1 ? tokens : tokens - 1;
    if (tokens < 1) throw this.#refusal(tokens);
  }

  #refusal(tokens: number): DeadletterError {
    const retryS = Math.ceil(((1 - tokens) * WINDOW_MS) / this.#perMinute / 1000);
    return new DeadletterError("too_many_requests", `more than ${this.#perMinute} a minute: ${this.#name}`, {
      hint: `try again in ${retryS} s`,
      headers: {
        "retry-after": String(retryS),
        // draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4.
        "ratelimit-policy": `"${this.#name}";q=${this.#perMinute};w=${WINDOW_MS / 1000}`,
        ratelimit: `"${this.#name}";r=0;t=${retryS}`,
      },
    });
  }
}

export const LIMIT_NAMES = ["bad-keys", "proofs", "changes", "redirects"] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

/** Each limit that is on. */
export type RateLimits = Partial<Record<LimitName, RateLimit>>;

/** `perMinute`: 0 turns a limit off. */
export function createRateLimits(perMinute: Readonly<Record<LimitName, number>>, clock: Clock): RateLimits {
  return Object.fromEntries(
    LIMIT_NAMES.filter((name) => perMinute[name] > 0).map((name) => [
      name,
      new RateLimit(name, perMinute[name], clock),
    ]),
  );
}
