// Who waits until the log has grown past an index: long polls.

import { LIMITS } from "../limits.ts";
import type { Clock } from "../runtime/clock.ts";

interface Waiter {
  readonly index: number;
  readonly wake: () => void;
}

export class LogWaiters {
  readonly #clock: Clock;
  /** At most LIMITS.feedWaiters. */
  readonly #waiters = new Set<Waiter>();
  #isReleased = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isFull(): boolean {
    return this.#waiters.size >= LIMITS.feedWaiters;
  }

  /** Resolves when the log may have an entry at `index`, after `ms`, or when `signal` aborts. */
  wait(index: number, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#clock.cancel(timer);
        signal.removeEventListener("abort", wake);
        this.#waiters.delete(waiter);
        resolve();
      };
      const waiter = { index, wake };
      const timer = this.#clock.after(ms, wake);
      signal.addEventListener("abort", wake);
      this.#waiters.add(waiter);
      if (signal.aborted || this.#isReleased) wake();
    });
  }

  /** `next` is the index of the first entry that is still to come. */
  wakeBelow(next: number): void {
    for (const { index, wake } of [...this.#waiters]) if (index < next) wake();
  }

  /** Wakes everyone, and lets no one wait any more. */
  release(): void {
    this.#isReleased = true;
    this.wakeBelow(Number.POSITIVE_INFINITY);
  }
}
