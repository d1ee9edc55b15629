// Brings batches of clicks into the store, in transactions of a bounded size, each at most once.

import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import {
  addClickHours,
  addClickTotals,
  addToClickSum,
  type ClickHour,
  forgetBatches,
  recordBatch,
} from "../store/queries/clicks.ts";
import type { Store, Tx } from "../store/store.ts";
import { framesOf, rowsOf } from "./click-frames.ts";
import { ReferrerCap } from "./referrer-cap.ts";

export interface ClickBatch {
  readonly id: string;
  /** Frames (click-frames.ts). */
  readonly bytes: Uint8Array;
  /** Chunks whose batch is gone: the store need not remember them. */
  readonly forget: readonly string[];
}

export interface Recorded {
  readonly clicks: number;
  /** The names under which the store remembers the batch's chunks, so that none counts twice. */
  readonly chunks: readonly string[];
}

export interface Recorder {
  /** Throws StoreError for what the store will never take, unavailable for all else; the whole batch may then be tried again. */
  record(batch: ClickBatch): Promise<Recorded>;
  /** Begins what recording needs, before the first batch. */
  start(): Promise<void>;
  /** Whether redirects come in so fast that recording should step back. */
  setBusy(isBusy: boolean): void;
  /** No more pauses from now on, and no further chunk once the clock's now() is past `deadlineMs`. */
  hurry(deadlineMs: number): void;
  close(): Promise<void>;
}

export class ClickRecorder implements Recorder {
  readonly #store: Store;
  readonly #cap: ReferrerCap;
  readonly #clock: Clock;
  #isBusy = false;
  #deadlineMs = Number.POSITIVE_INFINITY;
  readonly #hurried = Promise.withResolvers<void>();

  /** `referrers`: how many of a link are told apart in an hour. */
  constructor(store: Store, referrers: number, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#cap = new ReferrerCap(referrers);
  }

  async record({ id, bytes, forget }: ClickBatch): Promise<Recorded> {
    const chunks: string[] = [];
    let clicks = 0;
    let forgotten = forget;
    let frameNumber = 0;
    for (const frame of framesOf(bytes)) {
      const rows = rowsOf(frame).sort(inKeyOrder);
      for (let start = 0; start < rows.length; start += LIMITS.clickChunk) {
        const name = `${id}/${frameNumber}/${start}`;
        await this.#recordChunk(name, rows.slice(start, start + LIMITS.clickChunk), forgotten);
        chunks.push(name);
        forgotten = [];
      }
      clicks += frame.clicks;
      frameNumber += 1;
    }
    return { clicks, chunks };
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  setBusy(isBusy: boolean): void {
    this.#isBusy = isBusy;
  }

  hurry(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs;
    this.#hurried.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #recordChunk(name: string, rows: readonly ClickHour[], forget: readonly string[]): Promise<void> {
    if (this.#clock.now() > this.#deadlineMs) throw unavailable("the process is stopping");
    const startedMs = this.#clock.monotonic();
    // Within the chunk: what it is of must be the same when it is tried again, after a restart as well.
    const capped = this.#cap.apply(rows).sort(inKeyOrder);
    const options = { deadlineMs: LIMITS.clickWriteMs, isRelaxed: true };
    await this.#store.begin((tx) => recordChunk(tx, name, capped, forget), options);
    // Redirects come first: recording takes its share of the time and no more, and the rest waits on disk.
    const pauseMs = (this.#clock.monotonic() - startedMs) * (this.#isBusy ? LIMITS.clickBusyShare : 2);
    await Promise.race([sleep(this.#clock, Math.min(pauseMs, LIMITS.clickPauseMs)), this.#hurried.promise]);
  }
}

async function recordChunk(tx: Tx, name: string, rows: readonly ClickHour[], forget: readonly string[]): Promise<void> {
  if (forget.length > 0) await forgetBatches(tx, forget);
  const isNew = (await recordBatch(tx, name)).length > 0;
  if (!isNew) return;
  const totals = new Map<number, number>();
  for (const { url_id, kind, clicks } of rows)
    if (kind === "click") totals.set(url_id, (totals.get(url_id) ?? 0) + clicks);
  const sum = [...totals.values()].reduce((all, clicks) => all + clicks, 0);
  await Promise.all([
    addClickHours(tx, rows),
    ...(sum === 0
      ? []
      : [
          addClickTotals(
            tx,
            [...totals].map(([url_id, clicks]) => ({ url_id, clicks })),
          ),
          addToClickSum(tx, sum),
        ]),
  ]);
}

function inKeyOrder(a: ClickHour, b: ClickHour): number {
  return (
    a.url_id - b.url_id || compare(a.kind, b.kind) || compare(a.device, b.device) || compare(a.referrer, b.referrer)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
