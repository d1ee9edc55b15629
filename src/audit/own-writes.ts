// Watches that what this process committed comes into the log: the one trace of a pending event that somebody removed
// together with its queue row and its subject's change. In memory only; at most LIMITS.ownWrites events at a time.

import { LIMITS } from "../limits.ts";
import { listLogged, type TailRow } from "../store/queries/log.ts";
import type { Store } from "../store/store.ts";
import type { Alarm } from "./alarm.ts";

export interface OwnWrite {
  readonly subject: string;
  readonly leafHash: Uint8Array;
}

export class OwnWrites {
  readonly #store: Store;
  readonly #alarm: Alarm;
  /** By leaf hash, oldest first. */
  readonly #waiting = new Map<string, OwnWrite & { readonly sinceMs: number }>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #isChecking = false;
  /** Events that were not watched because too many waited already. */
  unwatched = 0;

  constructor(store: Store, alarm: Alarm) {
    this.#store = store;
    this.#alarm = alarm;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.check(), LIMITS.sequencerRetryMs);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Takes note of committed events. */
  add(writes: readonly OwnWrite[]): void {
    const sinceMs = performance.now();
    for (const write of writes) {
      if (this.#waiting.size >= LIMITS.ownWrites) this.unwatched += 1;
      else this.#waiting.set(keyOf(write.leafHash), { ...write, sinceMs });
    }
  }

  /** A listener of the log's feed. */
  readonly settle = (entries: readonly TailRow[]): void => {
    for (const { leaf_hash } of entries) this.#waiting.delete(keyOf(leaf_hash));
  };

  /** Raises an alarm for each event that has waited longer than `ownWriteMs` and is really not in the log. */
  async check(ownWriteMs: number = LIMITS.ownWriteMs): Promise<void> {
    const oldestMs = performance.now() - ownWriteMs;
    const late: (OwnWrite & { readonly sinceMs: number })[] = [];
    for (const write of this.#waiting.values()) {
      if (write.sinceMs > oldestMs || late.length >= LIMITS.feedRows) break;
      late.push(write);
    }
    if (late.length === 0 || this.#isChecking) return;
    this.#isChecking = true;
    try {
      // The feed may have passed an entry before its commit was known here.
      const hashes = late.map(({ leafHash }) => leafHash);
      const logged = await this.#store.read((sql) => listLogged(sql, hashes));
      const isLogged = new Set(logged.map(({ leaf_hash }) => keyOf(leaf_hash)));
      for (const { leafHash, subject, sinceMs } of late) {
        const key = keyOf(leafHash);
        this.#waiting.delete(key);
        if (!isLogged.has(key))
          this.#alarm(
            "late",
            "an event that was committed here is not in the log: it was removed, or nothing sequences",
            {
              subject,
              leaf_hash: key,
              waited_ms: Math.round(performance.now() - sinceMs),
            },
          );
      }
    } catch {
      // A store that does not answer is reported elsewhere; the next check asks again.
    } finally {
      this.#isChecking = false;
    }
  }
}

function keyOf(leafHash: Uint8Array): string {
  return Buffer.from(leafHash).toString("base64url");
}
