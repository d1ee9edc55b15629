// The longest anybody waits for something. Pure but for its timer.

import type { DeadletterError } from "../errors.ts";

/** Settles as `work` does, or rejects with `late()` after `ms`. The work itself is not stopped: its own timeout must end it. */
export async function withDeadline<T>(work: Promise<T>, ms: number, late: () => DeadletterError): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), Math.max(0, ms));
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
