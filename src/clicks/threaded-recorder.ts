// Records clicks in a thread: SQLite works in the thread that calls it, and that must not be the one that redirects.

import { unavailable } from "../errors.ts";
import { threadUrl } from "../runtime/program.ts";
import { StoreError, type StoreErrorKind } from "../store/store.ts";
import type { ClickBatch, Recorded, Recorder } from "./click-recorder.ts";

export type Question =
  | ({ readonly kind: "open" } & RecorderOptions)
  | { readonly kind: "record"; readonly batch: ClickBatch }
  | { readonly kind: "ready" }
  | { readonly kind: "busy"; readonly isBusy: boolean }
  | { readonly kind: "hurry"; readonly deadlineMs: number }
  | { readonly kind: "close" };

export interface RecorderOptions {
  /** The embedded store's file. */
  readonly path: string;
  readonly deadlineMs: number;
  /** As ClickRecorder takes it. */
  readonly referrers: number;
}

export type Answer =
  | { readonly kind: "recorded"; readonly recorded: Recorded }
  | { readonly kind: "failed"; readonly message: string; readonly store?: StoreErrorKind }
  | { readonly kind: "ready" }
  | { readonly kind: "closed" };

export class ThreadedRecorder implements Recorder {
  readonly #options: RecorderOptions;
  #thread: Worker | undefined;
  #isBusy = false;
  #hurryByMs: number | undefined;
  /** Who waits for the one answer that is owed. */
  #waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (error: unknown) => void } | undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Starts the thread: before strangers may come, whose connections could take the last file descriptor it needs. */
  async start(): Promise<void> {
    // A thread that cannot start now is no reason not to serve: the first batch tries again, and waits in its file meanwhile.
    await this.#ask({ kind: "ready" }).catch(() => undefined);
  }

  async record(batch: ClickBatch): Promise<Recorded> {
    const answer = await this.#ask({ kind: "record", batch });
    if (answer.kind === "recorded") return answer.recorded;
    const message = answer.kind === "failed" ? answer.message : "the thread that records clicks has closed";
    throw answer.kind === "failed" && answer.store !== undefined
      ? new StoreError(answer.store, "", message)
      : unavailable(message);
  }

  setBusy(isBusy: boolean): void {
    if (isBusy !== this.#isBusy) this.#thread?.postMessage({ kind: "busy", isBusy } satisfies Question);
    this.#isBusy = isBusy;
  }

  hurry(deadlineMs: number): void {
    this.#hurryByMs = deadlineMs;
    this.#thread?.postMessage({ kind: "hurry", deadlineMs } satisfies Question);
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    if (!thread) return;
    await this.#ask({ kind: "close" }).catch(() => undefined);
    this.#thread = undefined;
    thread.terminate();
  }

  /** One question at a time, as Clicks asks them. */
  #ask(question: Question): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting = { resolve, reject };
    this.#thread ??= this.#start();
    this.#thread.postMessage(question);
    return promise;
  }

  #start(): Worker {
    const thread = new Worker(threadUrl("clicks/record-thread"), { ref: false });
    thread.onmessage = ({ data }: MessageEvent<Answer>) => this.#waiting?.resolve(data);
    const ended = (why: string) => {
      if (this.#thread !== thread) return;
      // The next batch starts another.
      this.#thread = undefined;
      thread.terminate();
      this.#waiting?.reject(unavailable(`the thread that records clicks has ended: ${why}`));
    };
    thread.onerror = ({ message }) => ended(message);
    thread.addEventListener("close", () => ended("it closed"));
    const questions: Question[] = [
      { kind: "open", ...this.#options },
      { kind: "busy", isBusy: this.#isBusy },
      ...(this.#hurryByMs === undefined ? [] : [{ kind: "hurry", deadlineMs: this.#hurryByMs } as const]),
    ];
    for (const question of questions) thread.postMessage(question);
    return thread;
  }
}
