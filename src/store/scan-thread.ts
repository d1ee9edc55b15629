// Runs queries that may look at many rows in a thread, one at a time, since SQLite works in the thread that calls it and that
// must not be the one that redirects. A query that takes too long ends with the thread; the next one gets a new thread.

import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { threadUrl } from "../program.ts";
import { StoreError, type StoreErrorKind, type Value } from "./store.ts";

export type ScanQuestion =
  | { readonly kind: "open"; readonly path: string }
  | { readonly kind: "query"; readonly id: number; readonly text: string; readonly values: readonly Value[] };

export type ScanAnswer =
  | { readonly kind: "opened" }
  | { readonly kind: "rows"; readonly id: number; readonly rows: unknown[] }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly message: string;
      readonly store: StoreErrorKind | undefined;
    };

interface Scan {
  readonly id: number;
  readonly text: string;
  readonly values: readonly Value[];
  readonly resolve: (rows: unknown[]) => void;
  readonly reject: (error: unknown) => void;
}

export class ScanThread {
  readonly #path: string;
  readonly #deadlineMs: number;
  #thread: Worker | undefined;
  /** Oldest first; the first one is with the thread. At most LIMITS.scansWaiting. */
  readonly #scans: Scan[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #nextId = 0;

  /** `deadlineMs`: how long one query may take once its turn has come. */
  constructor(path: string, deadlineMs: number) {
    this.#path = path;
    this.#deadlineMs = deadlineMs;
  }

  /** Resolves when the thread runs, or cannot. */
  start(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#open(resolve);
    return promise;
  }

  /** Throws unavailable past the deadline or where too many wait. */
  run(text: string, values: readonly Value[]): Promise<unknown[]> {
    if (this.#scans.length >= LIMITS.scansWaiting) return Promise.reject(unavailable("too many searches are waiting"));
    const { promise, resolve, reject } = Promise.withResolvers<unknown[]>();
    this.#scans.push({ id: this.#nextId++, text, values, resolve, reject });
    if (this.#scans.length === 1) this.#next();
    return promise;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#thread?.terminate();
    this.#thread = undefined;
    for (const { reject } of this.#scans.splice(0)) reject(unavailable("the process is stopping"));
  }

  #open(onReady: () => void = () => {}): Worker {
    const thread = new Worker(threadUrl("store/read-thread"), { ref: false });
    this.#thread = thread;
    thread.onmessage = ({ data }: MessageEvent<ScanAnswer>) => {
      if (data.kind === "opened") onReady();
      else this.#settle(data);
    };
    thread.onerror = ({ message }) => {
      onReady();
      if (this.#thread === thread) this.#abandon(`its thread ended: ${message}`);
    };
    thread.postMessage({ kind: "open", path: this.#path } satisfies ScanQuestion);
    return thread;
  }

  #next(): void {
    const [scan] = this.#scans;
    if (!scan) return;
    const { id, text, values } = scan;
    const thread = this.#thread ?? this.#open();
    thread.postMessage({ kind: "query", id, text, values } satisfies ScanQuestion);
    this.#timer = setTimeout(() => this.#abandon("it looked at too many rows: ask for less"), this.#deadlineMs);
  }

  #settle(answer: Exclude<ScanAnswer, { kind: "opened" }>): void {
    if (this.#scans[0]?.id !== answer.id) return;
    const scan = this.#scans.shift();
    clearTimeout(this.#timer);
    if (answer.kind === "rows") scan?.resolve(answer.rows);
    else scan?.reject(answer.store ? new StoreError(answer.store, "", answer.message) : unavailable(answer.message));
    this.#next();
  }

  /** The query under way fails, and its thread goes with it: nothing else would end it. */
  #abandon(why: string): void {
    clearTimeout(this.#timer);
    this.#thread?.terminate();
    this.#thread = undefined;
    this.#scans.shift()?.reject(unavailable(`the database did not answer in time: ${why}`));
    this.#next();
  }
}
