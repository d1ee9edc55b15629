// What a store counts of its own work, as plain numbers; metrics.ts says it.

import { Buckets, SECONDS } from "../metrics/buckets.ts";

export class StoreCounts {
  /** How long a transaction waited for a connection, or for the writer, and for its BEGIN. */
  readonly waitSeconds = new Buckets(SECONDS);
  /** How long a COMMIT took: on the embedded store that is the wait for the disk. */
  readonly commitSeconds = new Buckets(SECONDS);
  /** Transactions that were run again after a serialization failure or a deadlock. */
  retries = 0;
  /** Calls that were given up at their deadline. */
  deadlines = 0;
}
