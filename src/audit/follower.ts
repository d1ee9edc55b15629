// What it is to follow the log: who is told, and from where.

import type { TailRow } from "../store/queries/log.ts";

/** Who follows the log in this process. */
export interface Follower {
  /** Told of each entry, in order and once. Must not throw, and must be quick: redirects wait for it. */
  onEntries(entries: readonly TailRow[]): void;
  /** The log went back, or may have: what was told before need not have happened. */
  forget?(): void;
}

/** Where a follower stands: an index alone would mean another entry once the log went back. */
export interface Place {
  readonly epoch: number;
  /** The index of the next entry. */
  readonly next: number;
  /** The leaf hash of the entry before it; undefined where that is not known. */
  readonly toldHash?: Uint8Array | undefined;
}
