// Clicks: counted in memory on the redirect path, journalled to a file every LIMITS.clickFlushMs, recorded in the store from
// there. What is journalled survives a kill and waits out a store that is slow or down; no batch counts twice.
// accepted + found = recorded + spooled + waiting + dropped{reason} at every moment.

import { LIMITS } from "../limits.ts";
import { HOUR_MS } from "../model/time.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { Outside } from "../runtime/outside.ts";
import { deleteOldHours } from "../store/queries/clicks.ts";
import { type Store, StoreError } from "../store/store.ts";
import { writeFrame } from "./click-frames.ts";
import type { Recorder } from "./click-recorder.ts";
import { ClickTable } from "./click-table.ts";
import type { ClickCounts } from "./metrics.ts";
import { type Batch, Spool } from "./spool.ts";
import { VisitorTable } from "./visitor.ts";

export interface ClicksOptions {
  readonly store: Store;
  readonly recorder: Recorder;
  readonly counts: ClickCounts;
  /** Where batches wait; made when the first one is written. */
  readonly folder: string;
  /** How long hours are kept, in days; 0 keeps them for ever. */
  readonly retentionDays: number;
  readonly outside: Outside;
  readonly onError: (error: unknown) => void;
}

export class Clicks {
  readonly #options: ClicksOptions;
  readonly #clock: Clock;
  readonly #spool: Spool;
  readonly #visitors = new VisitorTable();
  #visitorsMs: number;
  /** Clicks since the last frame. */
  readonly #table = new ClickTable();
  /** The batch that frames are appended to. */
  #open: Batch | undefined;
  /** Sealed, oldest first. */
  readonly #batches: Batch[] = [];
  #spooledBytes = 0;
  /** Of the batches recorded last, whose files are gone. */
  #finishedChunks: readonly string[] = [];
  #draining: Promise<void> | undefined;
  #timer: Timer | undefined;
  #retentionTimer: Timer | undefined;
  #asked = { accepted: 0, atMs: 0 };
  #retryAtMs = 0;
  #isFailing = false;
  /** By the clock's monotonic(), past which no more is recorded; infinite until close(). */
  #closeByMs = Number.POSITIVE_INFINITY;

  constructor(options: ClicksOptions) {
    this.#options = options;
    this.#clock = options.outside.clock;
    this.#visitorsMs = this.#clock.monotonic();
    this.#spool = new Spool(options.folder, options.outside);
  }

  get counts(): Readonly<ClickCounts> {
    return this.#options.counts;
  }

  /** Clicks accepted and not yet journalled. */
  get waiting(): number {
    return this.#table.clicks;
  }

  /** What waits for the store, journalled or in memory because it could not be. */
  get spooledBytes(): number {
    return this.#spooledBytes;
  }

  /** Takes up what earlier processes left behind, and keeps old hours from piling up. For a process that serves. */
  start(): void {
    this.#keepTime();
    const sweep = () => {
      this.#adopt();
      void this.deleteOld().catch(() => undefined);
    };
    this.#retentionTimer = this.#clock.every(HOUR_MS, sweep);
    this.#retentionTimer.unref();
    sweep();
  }

  /** Counts one request for a link. Costs a few header reads and a table lookup; never waits and never throws. */
  add(urlId: number, request: Request): void {
    this.#options.counts.accepted += 1;
    this.#table.add(urlId, this.#visitors.numberOf(request));
    if (this.#table.isFull) this.#journal();
    if (this.#timer === undefined) this.#keepTime();
  }

  /** Journals what waits and records what is journalled, as far as the store takes it. */
  async flush(): Promise<void> {
    this.#journal();
    this.#options.recorder.setBusy(this.#isBusy());
    // While others wait, one file takes what comes: an outage must not leave thousands of small ones.
    if (this.#batches.length === 0 || (this.#open?.bytes ?? 0) > LIMITS.clickFileBytes) this.#seal();
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
    await this.#draining;
  }

  async close(): Promise<void> {
    const { recorder } = this.#options;
    this.#clock.cancel(this.#timer);
    this.#clock.cancel(this.#retentionTimer);
    this.#journal();
    this.#seal();
    this.#closeByMs = this.#clock.monotonic() + LIMITS.clickCloseMs;
    recorder.hurry(this.#clock.now() + LIMITS.clickCloseMs);
    await this.#draining;
    this.#retryAtMs = 0;
    await this.flush();
    await recorder.close();
  }

  /** Deletes hours that are older than they are kept; totals stay. */
  async deleteOld(): Promise<void> {
    const { store, retentionDays } = this.#options;
    if (retentionDays === 0) return;
    const hour = Math.floor(this.#clock.now() / HOUR_MS) - retentionDays * 24;
    for (;;) {
      const deleted = await store.begin((tx) => deleteOldHours(tx, hour, LIMITS.clickSweepRows), { isBulk: true });
      if (deleted.length === 0) return;
    }
  }

  #keepTime(): void {
    this.#timer ??= this.#clock.every(LIMITS.clickFlushMs, () => void this.flush());
    this.#timer.unref();
  }

  #adopt(): void {
    const { counts } = this.#options;
    const own = new Set([...this.#batches, ...(this.#open ? [this.#open] : [])].map(({ id }) => id));
    for (const batch of this.#spool.adopt(own)) {
      counts.found += batch.clicks;
      counts.spooled += batch.clicks;
      this.#spooledBytes += batch.bytes;
      this.#batches.push(batch);
    }
  }

  /** Appends what waits to the open batch, a frame at a time, so that no redirect waits for much of it. */
  #journal(): void {
    const { clicks } = this.#table;
    if (clicks === 0) return;
    const { counts } = this.#options;
    const frame = writeFrame(Math.floor(this.#clock.now() / HOUR_MS), this.#table, (number) =>
      this.#visitors.visitor(number),
    );
    this.#table.clear();
    this.#emptyVisitors();
    const open = this.#batchFor(frame.length);
    if (!open) {
      counts.spool_full += clicks;
      return;
    }
    this.#spooledBytes += frame.length;
    counts.spooled += clicks;
    this.#orReport(() => open.append(frame, clicks));
  }

  /** Where it is full, or has not been emptied for long; nothing counts by its numbers now. */
  #emptyVisitors(): void {
    const nowMs = this.#clock.monotonic();
    if (!this.#visitors.isFull && nowMs - this.#visitorsMs < LIMITS.visitorTableMs) return;
    this.#visitors.empty();
    this.#visitorsMs = nowMs;
  }

  /** The open batch, where there is room for so much more. */
  #batchFor(bytes: number): Batch | undefined {
    if (this.#spooledBytes + bytes > LIMITS.clickSpoolBytes) return undefined;
    this.#open ??= this.#openBatch();
    if (!this.#open.isInMemory) return this.#open;
    const held = [...this.#batches, this.#open].reduce((sum, { unwrittenBytes }) => sum + unwrittenBytes, 0);
    return held + bytes <= LIMITS.clickMemoryBytes ? this.#open : undefined;
  }

  #openBatch(): Batch {
    return this.#orReport(() => this.#spool.create()) ?? this.#spool.inMemory();
  }

  /** What the disk refuses the store may still take. */
  #orReport<T>(run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      this.#options.onError(error);
      return undefined;
    }
  }

  /** Closes the open batch, so that it can be recorded. */
  #seal(): void {
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    this.#batches.push(open);
    this.#orReport(() => open.seal());
  }

  async #drain(): Promise<void> {
    if (this.#clock.monotonic() < this.#retryAtMs) return;
    for (let batch = this.#batches[0]; batch; batch = this.#batches[0]) {
      // What is journalled is safe: the next start takes it up.
      if (this.#clock.monotonic() > this.#closeByMs) return;
      try {
        await this.#record(batch);
      } catch (error) {
        if (!this.#isFailing) this.#options.onError(error);
        this.#isFailing = true;
        this.#retryAtMs = this.#clock.monotonic() + LIMITS.clickRetryMs;
        if (!(error instanceof StoreError)) return;
        // What breaks a rule of the database's would break it for ever; all else is tried again, after the others.
        if (!["check", "foreign_key", "unique"].includes(error.kind)) {
          this.#batches.push(...this.#batches.splice(0, 1));
          return;
        }
        this.#options.counts.store_error += batch.clicks;
        this.#remove(batch);
      }
    }
  }

  async #record(batch: Batch): Promise<void> {
    const { recorder, counts } = this.#options;
    const { id } = batch;
    const bytes = batch.read();
    const forget = this.#finishedChunks;
    const { clicks, chunks } = await recorder.record({ id, bytes, forget });
    this.#isFailing = false;
    counts.recorded += clicks;
    // The file has gone, or was damaged.
    counts.spool_lost += batch.clicks - clicks;
    // While its file is there, the store must remember what it has of it.
    const isGone = this.#remove(batch);
    this.#finishedChunks = chunks.length === 0 ? forget : isGone ? chunks : [];
  }

  /** False where its file stays, or somebody else may have it. */
  #remove(batch: Batch): boolean {
    this.#batches.shift();
    this.#spooledBytes -= batch.bytes;
    this.#options.counts.spooled -= batch.clicks;
    return this.#orReport(() => batch.remove()) ?? false;
  }

  /** Whether redirects have come in, since the last time this was asked, faster than recording should get in their way. */
  #isBusy(): boolean {
    const { accepted } = this.#options.counts;
    const nowMs = this.#clock.monotonic();
    const rate = ((accepted - this.#asked.accepted) / (nowMs - this.#asked.atMs)) * 1000;
    this.#asked = { accepted, atMs: nowMs };
    // Before the spool is full recording comes first.
    return rate > LIMITS.clickBusyRate && this.#spooledBytes < LIMITS.clickSpoolBytes / 2;
  }
}
