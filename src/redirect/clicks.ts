// Clicks: counted in memory on the redirect path, journalled to a file every LIMITS.clickFlushMs, recorded in the store from
// there. What is journalled survives a kill and waits out a store that is slow or down; no batch counts twice.
// accepted + found = recorded + spooled + waiting + dropped{reason} at every moment.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Metrics } from "../metrics.ts";
import {
  addClickHours,
  addClickTotals,
  addToClickSum,
  type ClickHour,
  deleteOldHours,
  forgetBatches,
  recordBatch,
} from "../store/queries/clicks.ts";
import type { Store, Tx } from "../store/store.ts";
import { VisitorTable } from "./visitor.ts";

export interface ClicksOptions {
  readonly store: Store;
  readonly counts: Metrics["clicks"];
  /** Where batches wait; made when the first one is written. */
  readonly folder: string;
  /** How long hours are kept, in days; 0 keeps them for ever. */
  readonly retentionDays: number;
  readonly clock: () => number;
  readonly onError: (error: unknown) => void;
}

/** A batch on its way: in its file, or in memory where no file could be written. */
interface Batch {
  readonly id: string;
  readonly clicks: number;
  readonly bytes: number;
  readonly rows: readonly ClickHour[] | undefined;
}

const HOUR_MS = 3_600_000;

export class Clicks {
  readonly #options: ClicksOptions;
  readonly #visitors = new VisitorTable();
  /** Clicks by `urlId * LIMITS.visitors + visitor` since the last tick; at most LIMITS.clickBuffer of them. */
  #pending = new Map<number, number>();
  #waiting = 0;
  /** Oldest first. */
  readonly #batches: Batch[] = [];
  #spooledBytes = 0;
  /** Batches that were recorded and whose file is gone: the store need not remember them. */
  #finished: string[] = [];
  #draining: Promise<void> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #retentionTimer: ReturnType<typeof setInterval> | undefined;
  #retryAtMs = 0;
  #isFailing = false;

  constructor(options: ClicksOptions) {
    this.#options = options;
  }

  /** Clicks accepted and not yet journalled. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes up what an earlier process left behind, and keeps old hours from piling up. For a process that serves. */
  start(): void {
    this.#adopt();
    this.#keepTime();
    const sweep = () => void this.deleteOld().catch(() => undefined);
    this.#retentionTimer = setInterval(sweep, HOUR_MS);
    this.#retentionTimer.unref();
    sweep();
  }

  /** Counts one request for a link. Costs a few header reads and a map lookup; never waits and never throws. */
  add(urlId: number, request: Request): void {
    const { counts } = this.#options;
    counts.accepted += 1;
    const key = urlId * LIMITS.visitors + this.#visitors.numberOf(request);
    const soFar = this.#pending.get(key);
    if (soFar === undefined && this.#pending.size >= LIMITS.clickBuffer) {
      counts.buffer_full += 1;
      return;
    }
    this.#pending.set(key, (soFar ?? 0) + 1);
    this.#waiting += 1;
    if (this.#timer === undefined) this.#keepTime();
  }

  /** Journals what waits and records what is journalled, as far as the store takes it. */
  async flush(): Promise<void> {
    this.#journal();
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
    await this.#draining;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#retentionTimer);
    await this.#draining;
    this.#retryAtMs = 0;
    await this.flush();
  }

  /** Deletes hours that are older than they are kept; totals stay. */
  async deleteOld(): Promise<void> {
    const { store, clock, retentionDays } = this.#options;
    if (retentionDays === 0) return;
    const hour = Math.floor(clock() / HOUR_MS) - retentionDays * 24;
    for (;;) {
      const deleted = await store.begin((tx) => deleteOldHours(tx, hour, LIMITS.clickFlushRows));
      if (deleted.length === 0) return;
    }
  }

  #keepTime(): void {
    this.#timer ??= setInterval(() => void this.flush(), LIMITS.clickFlushMs);
    this.#timer.unref();
  }

  #adopt(): void {
    const { folder, counts } = this.#options;
    let names: string[] = [];
    try {
      names = readdirSync(folder).filter((name) => name.endsWith(".json"));
    } catch {
      // No folder yet: nothing was left behind.
    }
    for (const name of names.sort()) {
      const id = name.slice(0, -5);
      const rows = this.#readFile(id);
      if (rows === undefined || this.#batches.some((batch) => batch.id === id)) continue;
      const clicks = rows.reduce((sum, row) => sum + row.clicks, 0);
      counts.found += clicks;
      this.#keep({ id, clicks, bytes: JSON.stringify(rows).length, rows: undefined });
    }
  }

  #journal(): void {
    if (this.#pending.size === 0) return;
    const { clock, counts, folder, onError } = this.#options;
    const hour = Math.floor(clock() / HOUR_MS);
    const rows = [...this.#pending].map(([key, clicks]): ClickHour => {
      const { kind, device, referrer } = this.#visitors.visitor(key % LIMITS.visitors);
      return { url_id: Math.floor(key / LIMITS.visitors), hour, kind, device, referrer, clicks };
    });
    const clicks = this.#waiting;
    this.#pending = new Map();
    this.#waiting = 0;
    // Names sort by time, so that what an earlier process left is taken up in order.
    const id = `${clock().toString(36).padStart(9, "0")}-${crypto.randomUUID()}`;
    const text = JSON.stringify(rows);
    if (this.#spooledBytes + text.length > LIMITS.clickSpoolBytes) {
      counts.spool_full += clicks;
      return;
    }
    let isWritten = true;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, id);
      writeFileSync(`${path}.part`, text, { mode: 0o600 });
      renameSync(`${path}.part`, `${path}.json`);
    } catch (error) {
      // The store may still take it; until then a kill would lose it.
      isWritten = false;
      onError(error);
    }
    this.#keep({ id, clicks, bytes: text.length, rows: isWritten ? undefined : rows });
  }

  #keep(batch: Batch): void {
    this.#batches.push(batch);
    this.#spooledBytes += batch.bytes;
    this.#options.counts.spooled += batch.clicks;
  }

  async #drain(): Promise<void> {
    if (performance.now() < this.#retryAtMs) return;
    for (let batch = this.#batches[0]; batch; batch = this.#batches[0]) {
      let chunks: string[] = [];
      try {
        chunks = await this.#record(batch);
      } catch (error) {
        if (!this.#isFailing) this.#options.onError(error);
        this.#isFailing = true;
        this.#retryAtMs = performance.now() + LIMITS.clickRetryMs;
        const isDown = error instanceof DeadletterError && error.code === "unavailable";
        if (isDown) return;
        // What the store refuses it would refuse for ever.
        this.#finish(batch, "store_error", []);
        continue;
      }
      this.#isFailing = false;
      this.#finish(batch, "recorded", chunks);
    }
  }

  #finish(batch: Batch, outcome: "recorded" | "store_error", chunks: readonly string[]): void {
    const { counts, folder } = this.#options;
    this.#batches.shift();
    this.#spooledBytes -= batch.bytes;
    counts.spooled -= batch.clicks;
    counts[outcome] += batch.clicks;
    rmSync(join(folder, `${batch.id}.json`), { force: true });
    this.#finished.push(...chunks);
  }

  /** Records a batch in transactions of a bounded size; the names under which the store remembers them. */
  async #record(batch: Batch): Promise<string[]> {
    const { store } = this.#options;
    // Another process of this host may have recorded it, and taken the file away.
    const rows = [...(batch.rows ?? this.#readFile(batch.id) ?? [])].sort(inKeyOrder);
    const chunks: string[] = [];
    for (let start = 0; start < rows.length; start += LIMITS.clickChunk) {
      const name = `${batch.id}/${start}`;
      const chunk = rows.slice(start, start + LIMITS.clickChunk);
      const forgotten = this.#finished.splice(0, LIMITS.clickFlushRows);
      try {
        await store.begin((tx) => recordChunk(tx, name, chunk, forgotten), { deadlineMs: LIMITS.clickWriteMs });
      } catch (error) {
        this.#finished.push(...forgotten);
        throw error;
      }
      chunks.push(name);
      // Other work gets its turn between two chunks.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return chunks;
  }

  #readFile(id: string): ClickHour[] | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#options.folder, `${id}.json`), "utf8")) as ClickHour[];
    } catch {
      return undefined;
    }
  }
}

async function recordChunk(
  tx: Tx,
  name: string,
  rows: readonly ClickHour[],
  forgotten: readonly string[],
): Promise<void> {
  if (forgotten.length > 0) await forgetBatches(tx, forgotten);
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
