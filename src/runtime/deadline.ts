// The longest anybody waits for something.

import type { DeadletterError } from "../errors.ts";
import type { Clock, Timer } from "./clock.ts";

/** Settles as `work` does, or rejects with `late()` after `ms`. The work itself is not stopped: its own timeout must end it. */
export async function withDeadline<T>(
  clock: Clock,
  work: Promise<T>,
  { ms, late }: { readonly ms: number; readonly late: () => DeadletterError },
): Promise<T> {
  let timer: Timer | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = clock.after(Math.max(0, ms), () => reject(late()));
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clock.cancel(timer);
  }
}
