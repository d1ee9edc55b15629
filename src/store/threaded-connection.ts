// The connection that writes, in a thread of its own (write-thread.ts). Statements that are given in one turn go there together, and
// all are done in the order in which they were given.

import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Clock } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { threadUrl } from "../runtime/program.ts";
import { type Answers, type Call, decodeAnswers, encodeCalls, type Failure } from "./call-codec.ts";
import { mapSqliteError } from "./sqlite-errors.ts";
import type { Value } from "./store.ts";
import type { WriteConnection, WriteOptions } from "./write-connection.ts";

/** Beside these, calls and their answers go as bytes (call-codec.ts). */
export interface OpenQuestion {
  readonly kind: "open";
  readonly options: WriteOptions;
}

export type OpenAnswer = { readonly kind: "opened" } | { readonly kind: "failed"; readonly failure: Failure };

interface Asked {
  readonly call: Call;
  readonly resolve: (rows: unknown[]) => void;
  readonly reject: (error: unknown) => void;
}

export class ThreadedConnection implements WriteConnection {
  readonly isThreaded = true;
  readonly inside = {
    all: (text: string, values: readonly Value[]) =>
      this.#ask({ kind: "all", isInside: true, text, values }).catch(throwMapped),
    each: async (text: string, rows: readonly (readonly Value[])[]) => {
      await this.#ask({ kind: "each", text, rows }).catch(throwMapped);
    },
  };
  readonly #thread: Worker;
  readonly #clock: Clock;
  /** Of this turn, and not sent yet. */
  #asked: Asked[] = [];
  /** With the thread, oldest first. */
  readonly #sent: (readonly Asked[])[] = [];
  #inTransaction = false;
  /** Why it takes nothing more. */
  #end: Error | undefined;

  private constructor(thread: Worker, clock: Clock) {
    this.#thread = thread;
    this.#clock = clock;
    thread.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => this.#settle(decodeAnswers(data));
    thread.onerror = () => this.#fail();
    thread.addEventListener("close", () => this.#fail());
  }

  /** Throws unavailable where the file cannot be opened, or the thread cannot be started. */
  static async open(options: WriteOptions, clock: Clock): Promise<ThreadedConnection> {
    const thread = new Worker(threadUrl("store/write-thread"), { ref: false });
    const opened = new Promise<void>((resolve, reject) => {
      thread.onmessage = ({ data }: MessageEvent<OpenAnswer>) => {
        if (data.kind === "opened") resolve();
        else reject(unavailable(data.failure.message));
      };
      thread.onerror = () => reject(unavailable(ENDED));
      thread.addEventListener("close", () => reject(unavailable(ENDED)));
    });
    thread.postMessage({ kind: "open", options } satisfies OpenQuestion);
    try {
      await withDeadline(clock, opened, IN_TIME);
    } catch (error) {
      thread.terminate();
      throw error;
    }
    return new ThreadedConnection(thread, clock);
  }

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  all(text: string, values: readonly Value[]): Promise<unknown[]> {
    return this.#ask({ kind: "all", isInside: false, text, values }).catch(throwMapped);
  }

  async run(text: string): Promise<void> {
    await this.#ask({ kind: "run", text });
  }

  async abandon(): Promise<void> {
    await this.#ask({ kind: "abandon" });
  }

  async close(): Promise<void> {
    try {
      await withDeadline(this.#clock, this.#ask({ kind: "close" }), IN_TIME);
    } finally {
      this.#fail();
      this.#thread.terminate();
    }
  }

  #ask(call: Call): Promise<unknown[]> {
    if (this.#end) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#asked.push({ call, resolve, reject });
      // A query that is awaited is started a microtask later: those of the same turn are to go along.
      if (this.#asked.length === 1) queueMicrotask(() => queueMicrotask(() => this.#send()));
    });
  }

  #send(): void {
    const asked = this.#asked.splice(0);
    if (asked.length === 0) return;
    this.#sent.push(asked);
    const bytes = encodeCalls(asked.map(({ call }) => call));
    this.#thread.postMessage(bytes, [bytes]);
  }

  #settle({ results, inTransaction }: Answers): void {
    this.#inTransaction = inTransaction;
    for (const [at, { resolve, reject }] of (this.#sent.shift() ?? []).entries()) {
      const result = results[at] ?? [];
      if ("message" in result) reject(Object.assign(new Error(result.message), { errno: result.errno }));
      else resolve(result);
    }
  }

  /** What was asked and not answered may have been done. */
  #fail(): void {
    this.#end ??= unavailable(ENDED);
    for (const { reject } of [...this.#sent.splice(0).flat(), ...this.#asked.splice(0)]) reject(this.#end);
  }
}

const ENDED = "the thread that writes has ended";
const IN_TIME = {
  ms: LIMITS.sqliteThreadMs,
  late: () => unavailable("the thread that writes did not begin, or end, in time"),
};

function throwMapped(error: unknown): never {
  throw mapSqliteError(error);
}
