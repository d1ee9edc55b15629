// What is counted of changes while they are made, as plain numbers; metrics.ts says it.

import { DeadletterError, ERROR_TABLE } from "../errors.ts";
import { Buckets, SECONDS } from "../metrics/buckets.ts";
import type { Clock } from "../runtime/clock.ts";

export const CHANGE_RESULTS = ["committed", "refused", "failed"] as const;
export type ChangeResult = (typeof CHANGE_RESULTS)[number];

export class ChangeCounts {
  /** How long one took from being asked for to its COMMIT, by what came of it; not of bulk and import. */
  readonly seconds: Readonly<Record<ChangeResult, Buckets>> = {
    committed: new Buckets(SECONDS),
    refused: new Buckets(SECONDS),
    failed: new Buckets(SECONDS),
  };
  /** How many changes shared a transaction. */
  readonly groupSizes = new Buckets([1, 2, 4, 8, 16, 32, 64, 128, 256]);
  /** Changes that were tried by themselves because the database refused the group they were in. */
  triedAlone = 0;

  async measure<T>(clock: Clock, change: () => Promise<T>): Promise<T> {
    const startedMs = clock.monotonic();
    let result: ChangeResult = "committed";
    try {
      return await change();
    } catch (error) {
      // What its caller can put right is a refusal; all else is our failure or the database's.
      const isRefused = error instanceof DeadletterError && ERROR_TABLE[error.code].status < 500;
      result = isRefused ? "refused" : "failed";
      throw error;
    } finally {
      this.seconds[result].observe((clock.monotonic() - startedMs) / 1000);
    }
  }
}
