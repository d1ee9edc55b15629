// Forgets, beside the work of a process that serves, what came of requests whose idempotency keys are no longer kept.

import { LIMITS } from "../limits.ts";
import { forgetEarlierRequests } from "../operations/idempotency.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Store } from "../store/store.ts";

export class Forgetting {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;

  constructor(store: Store, log: Logger, clock: Clock) {
    this.#store = store;
    this.#log = log;
    this.#clock = clock;
  }

  start(): void {
    this.#timer = this.#clock.every(LIMITS.idempotencySweepMs, () => {
      this.#running ??= this.#run().finally(() => {
        this.#running = undefined;
      });
    });
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#clock.cancel(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await forgetEarlierRequests(this.#store, this.#clock.now());
    } catch (error) {
      this.#log.debug("old idempotency keys cannot be forgotten now", describeError(error));
    }
  }
}
