// Keeps the write-ahead log of an embedded store that is written to without a lull from growing for ever. A thread moves it
// into the file step by step; when it is large the writer pauses between two groups, for as long as the log takes to begin anew.

import { LIMITS } from "../limits.ts";
import type { Clock } from "../runtime/clock.ts";
import { threadUrl } from "../runtime/program.ts";

export type WalOrder =
  | { readonly kind: "start"; readonly path: string; readonly limitBytes: number }
  | { readonly kind: "restart" };

export type WalNews =
  | { readonly kind: "started" }
  /** `isHeld`: somebody reads an older state, and what was written since cannot be moved. */
  | { readonly kind: "moved"; readonly bytes: number; readonly isHeld: boolean }
  /** It should begin anew: the writer is to pause. */
  | { readonly kind: "full" }
  | { readonly kind: "restarted"; readonly isHeld: boolean };

export interface WalKeeperOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly limitBytes: number;
  /** Runs between two groups of writes, which wait for it. */
  readonly pauseWriter: (pause: () => Promise<void>) => void;
  /** Whether the thread runs: without anybody who moves it, commits must. */
  readonly onRunning: (isRunning: boolean) => void;
}

export class WalKeeper {
  readonly #options: WalKeeperOptions;
  #thread: Worker | undefined;
  #bytes = 0;
  #isHeld = false;
  #isPauseWanted = false;
  /** By the clock's monotonic(), before which no further pause is asked for: whoever reads may read for long. */
  #nextPauseMs = 0;
  #restarted: (() => void) | undefined;

  constructor(options: WalKeeperOptions) {
    this.#options = options;
  }

  /** How much of the log is in use, and whether a reader keeps it from being moved. */
  get standing(): { readonly bytes: number; readonly isHeld: boolean } {
    return { bytes: this.#bytes, isHeld: this.#isHeld };
  }

  /** Resolves when the thread runs, or cannot. */
  start(): Promise<void> {
    const { path, limitBytes, onRunning } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const thread = new Worker(threadUrl("store/wal-thread"), { ref: false });
    this.#thread = thread;
    thread.onmessage = ({ data }: MessageEvent<WalNews>) => {
      if (data.kind === "started") {
        onRunning(true);
        resolve();
      } else this.#hear(data);
    };
    thread.onerror = () => {
      onRunning(false);
      this.#restarted?.();
      resolve();
    };
    thread.postMessage({ kind: "start", path, limitBytes } satisfies WalOrder);
    return promise;
  }

  close(): void {
    this.#restarted?.();
    this.#thread?.terminate();
    this.#thread = undefined;
  }

  #hear(news: WalNews): void {
    if (news.kind === "moved") {
      this.#bytes = news.bytes;
      this.#isHeld = news.isHeld;
    } else if (news.kind === "restarted") {
      this.#isHeld = news.isHeld;
      this.#nextPauseMs = news.isHeld ? this.#options.clock.monotonic() + LIMITS.walHeldMs : 0;
      this.#restarted?.();
    } else if (!this.#isPauseWanted && this.#options.clock.monotonic() >= this.#nextPauseMs) {
      this.#isPauseWanted = true;
      this.#options.pauseWriter(() => this.#restart());
    }
  }

  /** Ends however the thread fares: writers must not wait for one that is gone. */
  async #restart(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#restarted = resolve;
    this.#thread?.postMessage({ kind: "restart" } satisfies WalOrder);
    const { clock } = this.#options;
    const timer = clock.after(this.#thread ? LIMITS.walPauseMs : 0, resolve);
    await promise;
    clock.cancel(timer);
    this.#restarted = undefined;
    this.#isPauseWanted = false;
  }
}
