// Fills the side tables beside the work of a process that serves, where they are not complete: after an upgrade, once.

import { DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { reindex } from "../operations/reindex.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Store } from "../store/store.ts";

export class Reindexing {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(store: Store, log: Logger, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Looks again after LIMITS.reindexMs while something is missing, or older releases may still write; rarely once nothing is. */
  start(): void {
    this.#running = this.#run().then((isDone) => {
      if (this.#isClosed) return;
      this.#timer = this.#clock.after(isDone ? LIMITS.reindexIdleMs : LIMITS.reindexMs, () => this.start());
      this.#timer.unref();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#clock.cancel(this.#timer);
    await this.#running;
  }

  async #run(): Promise<boolean> {
    try {
      const { state, filled } = await reindex(this.#store, { isStopped: () => this.#isClosed });
      if (filled > 0) this.#log.info("side tables filled", { subjects: filled, state });
      return state === "complete";
    } catch (error) {
      const isDown = error instanceof DeadletterError && error.code === "unavailable";
      this.#log[isDown ? "debug" : "warn"]("side tables cannot be filled now", describeError(error));
      return false;
    }
  }
}
