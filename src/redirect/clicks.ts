// Clicks: counted in memory on the redirect path, journalled to a file every LIMITS.clickFlushMs, recorded in the store from
// there. What is journalled survives a kill and waits out a store that is slow or down; no batch counts twice.
// accepted + found = recorded + spooled + waiting + dropped{reason} at every moment.

import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { unavailable } from "../errors.ts";
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
import { type Store, StoreError, type Tx } from "../store/store.ts";
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

/** The file that is written now; `text` is what could not be written to it. */
interface OpenFile {
  readonly id: string;
  readonly file: number | undefined;
  text: string;
  clicks: number;
  bytes: number;
}

/** A batch on its way: in its file, or in memory where no file could be written. */
interface Batch {
  readonly id: string;
  readonly clicks: number;
  readonly bytes: number;
  readonly text: string | undefined;
}

const HOUR_MS = 3_600_000;

export class Clicks {
  readonly #options: ClicksOptions;
  readonly #visitors = new VisitorTable();
  /** Clicks by `urlId * LIMITS.visitors + visitor` since the last tick; at most LIMITS.clickLine of them. */
  #pending = new Map<number, number>();
  #waiting = 0;
  /** Oldest first. */
  readonly #batches: Batch[] = [];
  #open: OpenFile | undefined;
  #spooledBytes = 0;
  /** Batches that were recorded and whose file is gone: the store need not remember them. */
  #finished: string[] = [];
  #draining: Promise<void> | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #retentionTimer: ReturnType<typeof setInterval> | undefined;
  #asked = { accepted: 0, atMs: 0 };
  #retryAtMs = 0;
  #isFailing = false;
  /** performance.now() past which no more is recorded; infinite until close(). */
  #closeByMs = Number.POSITIVE_INFINITY;

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
    this.#pending.set(key, (soFar ?? 0) + 1);
    this.#waiting += 1;
    if (this.#pending.size >= LIMITS.clickLine) this.#journal();
    if (this.#timer === undefined) this.#keepTime();
  }

  /** Journals what waits and records what is journalled, as far as the store takes it. */
  async flush(): Promise<void> {
    this.#journal();
    this.#rotate();
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
    await this.#draining;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#retentionTimer);
    this.#journal();
    this.#closeByMs = performance.now() + LIMITS.clickCloseMs;
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

  /** Files of processes that are no more; one that is still being written belongs to whoever writes it. */
  #adopt(): void {
    const { folder, counts } = this.#options;
    for (const name of namesIn(folder).sort()) {
      const [, id = "", pid = ""] = /^(\w+-(\d+)-\w+)\.(?:part|clicks)$/.exec(name) ?? [];
      if (id === "" || (name.endsWith(".part") && Number(pid) !== process.pid && isAlive(Number(pid)))) continue;
      if (name.endsWith(".part")) renameSync(join(folder, name), join(folder, `${id}.clicks`));
      if (this.#batches.some((batch) => batch.id === id)) continue;
      const text = this.#readFile(id) ?? "";
      const clicks = text
        .split("\n")
        .flatMap(readLine)
        .reduce((sum, row) => sum + row.clicks, 0);
      counts.found += clicks;
      counts.spooled += clicks;
      this.#spooledBytes += text.length;
      this.#batches.push({ id, clicks, bytes: text.length, text: undefined });
    }
  }

  /** Writes what waits to the open file, a line at a time, so that no redirect waits for much of it. */
  #journal(): void {
    if (this.#pending.size === 0) return;
    const { clock, counts } = this.#options;
    const clicks = this.#waiting;
    const line = writeLine(Math.floor(clock() / HOUR_MS), this.#pending, this.#visitors);
    this.#pending = new Map();
    this.#waiting = 0;
    if (this.#spooledBytes + line.length > LIMITS.clickSpoolBytes) {
      counts.spool_full += clicks;
      return;
    }
    this.#open ??= this.#openFile();
    const { file } = this.#open;
    let isWritten = file !== undefined;
    try {
      if (file !== undefined) writeSync(file, line);
    } catch (error) {
      isWritten = false;
      this.#options.onError(error);
    }
    // The store may still take what no file would; until then a kill loses it.
    if (!isWritten) this.#open.text += line;
    this.#open.clicks += clicks;
    this.#open.bytes += line.length;
    this.#spooledBytes += line.length;
    counts.spooled += clicks;
  }

  #openFile(): OpenFile {
    const { folder, clock, onError } = this.#options;
    // Names sort by time, so that what an earlier process left is taken up in order.
    const id = `${clock().toString(36).padStart(9, "0")}-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      return { id, file: openSync(join(folder, `${id}.part`), "wx", 0o600), text: "", clicks: 0, bytes: 0 };
    } catch (error) {
      onError(error);
      return { id, file: undefined, text: "", clicks: 0, bytes: 0 };
    }
  }

  /** Closes the open file, so that it can be recorded. */
  #rotate(): void {
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    const { folder } = this.#options;
    const { id, file, text, clicks, bytes } = open;
    if (file !== undefined) {
      closeSync(file);
      renameSync(join(folder, `${id}.part`), join(folder, `${id}.clicks`));
    }
    this.#batches.push({ id, clicks, bytes, text: text === "" ? undefined : text });
  }

  async #drain(): Promise<void> {
    if (performance.now() < this.#retryAtMs) return;
    for (let batch = this.#batches[0]; batch; batch = this.#batches[0]) {
      // What is journalled is safe: the next start takes it up.
      if (performance.now() > this.#closeByMs) return;
      let chunks: string[] = [];
      try {
        chunks = await this.#record(batch);
      } catch (error) {
        if (!this.#isFailing) this.#options.onError(error);
        this.#isFailing = true;
        this.#retryAtMs = performance.now() + LIMITS.clickRetryMs;
        // What breaks a rule of the database's would break it for ever; all else is tried again.
        if (!(error instanceof StoreError && ["check", "foreign_key", "unique"].includes(error.kind))) return;
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
    rmSync(join(folder, `${batch.id}.clicks`), { force: true });
    this.#finished.push(...chunks);
  }

  /** Records a batch in transactions of a bounded size; the names under which the store remembers them. */
  async #record(batch: Batch): Promise<string[]> {
    // Another process of this host may have recorded it, and taken the file away.
    const lines = ((this.#readFile(batch.id) ?? "") + (batch.text ?? "")).split("\n");
    const chunks: string[] = [];
    for (const [line, text] of lines.entries()) {
      const rows = readLine(text).sort(inKeyOrder);
      for (let start = 0; start < rows.length; start += LIMITS.clickChunk) {
        const name = `${batch.id}/${line}/${start}`;
        await this.#recordOne(name, rows.slice(start, start + LIMITS.clickChunk));
        chunks.push(name);
      }
    }
    return chunks;
  }

  async #recordOne(name: string, rows: readonly ClickHour[]): Promise<void> {
    const { store } = this.#options;
    if (performance.now() > this.#closeByMs) throw unavailable("the process is stopping");
    const startedMs = performance.now();
    const forgotten = this.#finished.splice(0, LIMITS.clickFlushRows);
    const options = { deadlineMs: LIMITS.clickWriteMs, isRelaxed: true };
    try {
      await store.begin((tx) => recordChunk(tx, name, rows, forgotten), options);
    } catch (error) {
      this.#finished.push(...forgotten);
      throw error;
    }
    // Redirects come first: recording takes its share of the time and no more, and the rest waits on disk.
    const isClosing = this.#closeByMs !== Number.POSITIVE_INFINITY;
    if (!isClosing) await Bun.sleep((performance.now() - startedMs) * (this.#isBusy() ? LIMITS.clickBusyShare : 2));
  }

  /** Whether redirects have come in, since the last time this was asked, faster than recording should get in their way. */
  #isBusy(): boolean {
    const { accepted } = this.#options.counts;
    const nowMs = performance.now();
    const rate = ((accepted - this.#asked.accepted) / (nowMs - this.#asked.atMs)) * 1000;
    this.#asked = { accepted, atMs: nowMs };
    return rate > LIMITS.clickBusyRate;
  }

  #readFile(id: string): string | undefined {
    try {
      return readFileSync(join(this.#options.folder, `${id}.clicks`), "utf8");
    } catch {
      return undefined;
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // No folder yet: nothing was left behind.
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/** `{"hour", "visitors": [[kind, device, referrer], ...], "rows": [urlId, visitor, clicks, ...]}`: some 12 bytes a row. */
function writeLine(hour: number, pending: ReadonlyMap<number, number>, table: VisitorTable): string {
  const places = new Map<number, number>();
  const visitors: string[][] = [];
  let rows = "";
  for (const [key, clicks] of pending) {
    const number = key % LIMITS.visitors;
    let place = places.get(number);
    if (place === undefined) {
      const { kind, device, referrer } = table.visitor(number);
      place = visitors.push([kind, device, referrer]) - 1;
      places.set(number, place);
    }
    rows += `${rows === "" ? "" : ","}${(key - number) / LIMITS.visitors},${place},${clicks}`;
  }
  return `{"hour":${hour},"visitors":${JSON.stringify(visitors)},"rows":[${rows}]}\n`;
}

/** Nothing for a last line that was cut short by a kill. */
function readLine(line: string): ClickHour[] {
  try {
    const { hour, visitors, rows } = JSON.parse(line) as {
      hour: number;
      visitors: [ClickHour["kind"], string, string][];
      rows: number[];
    };
    return Array.from({ length: rows.length / 3 }, (_, at) => {
      const [kind = "click", device = "other", referrer = ""] = visitors[rows[3 * at + 1] ?? 0] ?? [];
      return { url_id: rows[3 * at] ?? 0, hour, kind, device, referrer, clicks: rows[3 * at + 2] ?? 0 };
    });
  } catch {
    return [];
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
