// Click totals: counted in memory on the redirect path, written in batches. They are traffic, not audit events.
// accepted = recorded + waiting + dropped{reason} at every moment.

import { LIMITS } from "../limits.ts";
import type { Metrics } from "../metrics.ts";
import { addClicks, addToClickSum } from "../store/queries/urls.ts";
import type { Store } from "../store/store.ts";

export interface Clicks {
  /** Counts one click. Costs a map lookup; never waits and never throws. */
  add(urlId: number): void;
  /** Clicks accepted and not yet recorded. */
  readonly waiting: number;
  flush(): Promise<void>;
  /** Writes what waits and stops. */
  close(): Promise<void>;
}

export function createClicks(store: Store, metrics: Metrics, onError: (error: unknown) => void): Clicks {
  /** Clicks per link since the last flush; at most LIMITS.clickBufferLinks links. */
  let pending = new Map<number, number>();
  let waiting = 0;
  let flushing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => void flush(), LIMITS.clickFlushMs);
  timer.unref();

  function add(urlId: number): void {
    const soFar = pending.get(urlId);
    metrics.clicks.accepted += 1;
    if (soFar === undefined && pending.size >= LIMITS.clickBufferLinks) {
      metrics.clicks.buffer_full += 1;
      return;
    }
    pending.set(urlId, (soFar ?? 0) + 1);
    waiting += 1;
  }

  function flush(): Promise<void> {
    flushing = flushing.then(writeAll);
    return flushing;
  }

  async function writeAll(): Promise<void> {
    // By id, so that two replicas that flush at once take their row locks in the same order.
    const entries = [...pending].sort(([a], [b]) => a - b);
    pending = new Map();
    for (let start = 0; start < entries.length; start += LIMITS.clickFlushRows)
      await writeBatch(entries.slice(start, start + LIMITS.clickFlushRows));
  }

  async function writeBatch(batch: readonly (readonly [number, number])[]): Promise<void> {
    const clicks = batch.reduce((sum, [, count]) => sum + count, 0);
    try {
      await store.begin(async (tx) => {
        await Promise.all(batch.map(([urlId, count]) => addClicks(tx, urlId, count)));
        await addToClickSum(tx, clicks);
      });
      metrics.clicks.recorded += clicks;
    } catch (error) {
      metrics.clicks.store_error += clicks;
      onError(error);
    }
    waiting -= clicks;
  }

  return {
    add,
    flush,
    get waiting() {
      return waiting;
    },
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}
