// Changes that wait to be written together (group.ts). Only group.ts changes it.

import type { Ask, Outcome } from "./ask.ts";
import { ChangeCounts } from "./counts.ts";

export interface Waiting extends Ask {
  /** By the clock's monotonic(), when its caller is told that the database did not answer. */
  readonly deadlineMs: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (reason: unknown) => void;
}

export class WaitingChanges {
  /** Oldest first; at most LIMITS.changesWaiting. */
  readonly queue: Waiting[] = [];
  /** Groups that are being written now; at most LIMITS.groupsAtOnce. */
  running = 0;
  /** How many the group that was begun last has. */
  lastSize = 0;
  /** Hashes of the idempotency keys of requests that are being carried out now. */
  readonly inFlight = new Set<string>();
  /** Whether a group is about to be formed. */
  isDue = false;
  readonly counts = new ChangeCounts();
}
