// Watches that what this process committed comes into the log: the one trace of a pending event that somebody removed
// together with its queue row and its subject's change. In memory only; at most LIMITS.ownWrites events at a time.

import { LIMITS } from "../limits.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { listStanding, type TailRow } from "../store/queries/log.ts";
import type { Store } from "../store/store.ts";
import type { Alarm } from "./alarm.ts";

/** How many times longer an event may wait while it is still in the queue. */
const QUEUED_PATIENCE = 10;

export interface OwnWrite {
  readonly type: string;
  readonly id: number;
  readonly version: number;
  readonly leafHash: Uint8Array;
}

export class OwnWrites {
  readonly #store: Store;
  readonly #alarm: Alarm;
  readonly #clock: Clock;
  /** By leaf hash, oldest first. */
  readonly #waiting = new Map<string, OwnWrite & { readonly sinceMs: number }>();
  #timer: Timer | undefined;
  #isChecking = false;

  constructor(store: Store, alarm: Alarm, clock: Clock) {
    this.#clock = clock;
    this.#store = store;
    this.#alarm = alarm;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  start(): void {
    this.#timer ??= this.#clock.every(LIMITS.sequencerRetryMs, () => void this.check());
  }

  close(): void {
    this.#clock.cancel(this.#timer);
  }

  /** Takes note of committed events. */
  add(writes: readonly OwnWrite[]): void {
    const sinceMs = this.#clock.monotonic();
    for (const write of writes) {
      if (this.#waiting.size < LIMITS.ownWrites) this.#waiting.set(keyOf(write.leafHash), { ...write, sinceMs });
    }
  }

  /** A listener of the log's feed. */
  readonly settle = (entries: readonly TailRow[]): void => {
    for (const { leaf_hash } of entries) this.#waiting.delete(keyOf(leaf_hash));
  };

  /** Raises an alarm for each event that has waited longer than `ownWriteMs` and is really not in the log. */
  async check(ownWriteMs: number = LIMITS.ownWriteMs): Promise<void> {
    const oldestMs = this.#clock.monotonic() - ownWriteMs;
    const late: (OwnWrite & { readonly sinceMs: number })[] = [];
    for (const write of this.#waiting.values()) {
      if (write.sinceMs > oldestMs || late.length >= LIMITS.feedRows) break;
      late.push(write);
    }
    if (late.length === 0 || this.#isChecking) return;
    this.#isChecking = true;
    try {
      const events = late.map(({ type, id, version }) => ({ subject_type: type, subject_id: id, version }));
      const standing = await this.#store.read((sql) => listStanding(sql, events));
      const found = new Map(standing.map((row) => [keyOf(row.leaf_hash), row]));
      for (const { type, id, leafHash, sinceMs } of late) {
        const key = keyOf(leafHash);
        const row = found.get(key);
        const waitedMs = this.#clock.monotonic() - sinceMs;
        // A backlog is long before it is a lie; what waits is asked about again.
        if (row?.log_index == null && row?.queue_id != null && waitedMs < ownWriteMs * QUEUED_PATIENCE) continue;
        this.#waiting.delete(key);
        // The feed may have passed an entry before its commit was known here.
        if (row?.log_index != null) continue;
        const message = row?.queue_id == null ? "it was removed" : "it still waits: nothing sequences";
        this.#alarm("late", `an event that was committed here is not in the log: ${message}`, {
          subject: `${type}:${id}`,
          leaf_hash: Buffer.from(leafHash).toString("base64url"),
          waited_ms: Math.round(waitedMs),
        });
      }
    } catch {
      // A store that does not answer is reported elsewhere; the next check asks again.
    } finally {
      this.#isChecking = false;
    }
  }
}

function keyOf(leafHash: Uint8Array): string {
  return Buffer.from(leafHash).toString("latin1");
}
