// The time, and everything that waits for it. It comes in from outside, so that a test can say what time it is.

/** What after() and every() return; only the clock that made it can cancel it. */
export interface Timer {
  /** Lets the process end although this is still to come. */
  unref(): unknown;
}

export interface Clock {
  /** Milliseconds since 1970 as people have it: an operator may set it back. */
  now(): number;
  /** Milliseconds since some moment in the past, which never go back: for how long something took. */
  monotonic(): number;
  /** Calls once, `ms` milliseconds from now. */
  after(ms: number, run: () => void): Timer;
  /** Calls every `ms` milliseconds. */
  every(ms: number, run: () => void): Timer;
  cancel(timer: Timer | undefined): void;
  /** Calls once this turn of the event loop has done all else that it has to do. */
  soon(run: () => void): void;
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  after: (ms, run) => setTimeout(run, ms),
  every: (ms, run) => setInterval(run, ms),
  cancel(timer) {
    clearTimeout(timer as ReturnType<typeof setTimeout> | undefined);
  },
  soon: (run) => void setImmediate(run),
};

/** Resolves once this turn of the event loop has done all else that it has to do. */
export function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve));
}

/** Resolves after `ms`, or as soon as `signal` aborts. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clock.cancel(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(ms, done);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}
