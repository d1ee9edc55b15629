// Runs queries that may look at many rows in a thread, one at a time, since SQLite works in the thread that calls it and that
// must not be the one that redirects. Who asked for one that takes too long is told so; the thread goes on with it all the same,
// since nothing ends a statement of SQLite's here, and the others wait: one core at the most is ever busy with scans.

import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { threadUrl } from "../runtime/program.ts";
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
  timer?: Timer;
}

export class ScanThread {
  readonly #path: string;
  readonly #deadlineMs: number;
  readonly #clock: Clock;
  #thread: Worker | undefined;
  /** Oldest first; the first one is with the thread. At most LIMITS.scansWaiting. */
  readonly #scans: Scan[] = [];
  /** The query that the thread still works on although its time has passed. */
  #abandoned: number | undefined;
  #nextId = 0;

  /** `deadlineMs`: how long a query may take, the wait for its turn counted. */
  constructor(path: string, deadlineMs: number, clock: Clock) {
    this.#path = path;
    this.#deadlineMs = deadlineMs;
    this.#clock = clock;
  }

  /** Resolves when the thread runs, or cannot. */
  start(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#open(resolve);
    return promise;
  }

  /** Throws unavailable past the deadline, the wait for its turn counted, or where too many wait. */
  run(text: string, values: readonly Value[]): Promise<unknown[]> {
    if (this.#scans.length >= LIMITS.scansWaiting) return Promise.reject(unavailable("too many searches are waiting"));
    const { promise, resolve, reject } = Promise.withResolvers<unknown[]>();
    const scan: Scan = { id: this.#nextId++, text, values, resolve, reject };
    this.#scans.push(scan);
    scan.timer = this.#clock.after(this.#deadlineMs, () => this.#expire(scan));
    if (this.#scans.length === 1) this.#next();
    return promise;
  }

  close(): void {
    this.#thread?.terminate();
    this.#thread = undefined;
    for (const scan of this.#scans.splice(0)) this.#fail(scan, unavailable("the process is stopping"));
  }

  #open(onReady: () => void = () => {}): void {
    const thread = new Worker(threadUrl("store/read-thread"), { ref: false });
    this.#thread = thread;
    thread.onmessage = ({ data }: MessageEvent<ScanAnswer>) => {
      if (data.kind === "opened") onReady();
      else this.#settle(data);
    };
    // Bun says here what the code around the error is: nothing of that is for who asked.
    const ended = () => {
      onReady();
      if (this.#thread === thread) this.#end();
    };
    thread.onerror = ended;
    thread.addEventListener("close", ended);
    thread.postMessage({ kind: "open", path: this.#path } satisfies ScanQuestion);
  }

  #next(): void {
    const [scan] = this.#scans;
    // A thread busy with an abandoned query takes no other: SQLite cannot be told to stop.
    if (!scan || this.#abandoned !== undefined) return;
    if (!this.#thread) this.#open();
    const { id, text, values } = scan;
    this.#thread?.postMessage({ kind: "query", id, text, values } satisfies ScanQuestion);
  }

  #settle(answer: Exclude<ScanAnswer, { kind: "opened" }>): void {
    if (answer.id === this.#abandoned) {
      this.#abandoned = undefined;
      this.#next();
      return;
    }
    const scan = this.#scans.shift();
    if (scan?.id !== answer.id) return;
    this.#clock.cancel(scan.timer);
    if (answer.kind === "rows") scan.resolve(answer.rows);
    else
      scan.reject(
        answer.store
          ? new StoreError(answer.store, "", answer.message)
          : unavailable("the store cannot be read", { cause: new Error(answer.message) }),
      );
    this.#next();
  }

  /** Its time has passed; where it is with the thread, that goes on with it, and all others wait until it has done. */
  #expire(scan: Scan): void {
    const place = this.#scans.indexOf(scan);
    if (place === -1) return;
    if (place === 0 && this.#abandoned === undefined) this.#abandoned = scan.id;
    this.#scans.splice(place, 1);
    scan.reject(unavailable("the database did not answer in time: it looked at too many rows, or waited for who does"));
  }

  /** The thread has ended by itself; the next query gets another. */
  #end(): void {
    this.#thread = undefined;
    const isWorking = this.#abandoned === undefined;
    this.#abandoned = undefined;
    const scan = isWorking ? this.#scans.shift() : undefined;
    if (scan) this.#fail(scan, unavailable("the store cannot be read: its thread has ended"));
    this.#next();
  }

  #fail(scan: Scan, error: unknown): void {
    this.#clock.cancel(scan.timer);
    scan.reject(error);
  }
}
