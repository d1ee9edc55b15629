// Keeps the warm set's file: reads it as the process starts, writes it every LIMITS.warmWriteMs where no other process of this
// host does, and strikes out at once what has changed.

import { LIMITS } from "../limits.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import type { RedirectCache } from "./cache.ts";
import type { WarmHeader, WarmSet } from "./warm-set.ts";

export interface WarmKeeperOptions {
  readonly warmSet: WarmSet;
  readonly cache: RedirectCache;
  readonly clock: Clock;
  /** Whether this process writes the file; the others of this host strike out of it what they change. */
  readonly isWriter: boolean;
  /** Up to where and until when the log was heard; undefined where that is too long ago for the file to be of use. */
  readonly standing: () => WarmHeader | undefined;
  readonly onFailure: (error: unknown) => void;
}

export class WarmKeeper {
  readonly #options: WarmKeeperOptions;
  #timer: Timer | undefined;
  #isStarted = false;

  constructor(options: WarmKeeperOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, isWriter } = this.#options;
    this.#isStarted = true;
    if (isWriter) this.#timer = clock.every(LIMITS.warmWriteMs, () => this.#write());
  }

  close(): void {
    if (this.#timer === undefined) return;
    this.#options.clock.cancel(this.#timer);
    this.#timer = undefined;
    this.#write();
  }

  /** The log went back: what the file says need not be so, and a process that starts during an outage would believe it. */
  forget(): void {
    if (this.#timer !== undefined) this.#orReport(() => this.#options.warmSet.remove());
  }

  /** The log says that the link has changed. */
  strike(code: string): void {
    if (this.#timer !== undefined) this.#orReport(() => this.#options.warmSet.strike(code));
  }

  /** This process has changed the link; the writer of the file may not have heard of it yet. */
  strikeOwn(code: string): void {
    this.strike(code);
    if (this.#isStarted && this.#timer === undefined) this.#orReport(() => this.#options.warmSet.append(code));
  }

  #write(): void {
    const { warmSet, cache, standing } = this.#options;
    // The file says until when the log was heard, so that another start is bound by the same time.
    const header = standing();
    if (header) this.#orReport(() => warmSet.write(header, cache));
  }

  /** What has been committed must be answered as committed, whatever becomes of the file. */
  #orReport(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#options.onFailure(error);
    }
  }
}
