// Whoever writes much waits for the log: a redirect cache is believed only while the log is heard, so nothing may wait to come into
// it for longer than half of that.

import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { sleep } from "../runtime/clock.ts";
import { readOldestPending } from "../store/queries/log.ts";
import type { Core } from "./context.ts";

/** Resolves once the log has caught up, where anybody serves; at once where nobody does. Throws unavailable where it does not. */
export async function keepPace(core: Core): Promise<void> {
  const { clock, store, staleMaxMs } = core;
  const untilMs = clock.monotonic() + LIMITS.paceMs;
  for (;;) {
    const [pending] = await store.read(readOldestPending);
    const nowMs = clock.now();
    const isServed = nowMs - (pending?.seen_at_ms ?? 0) < LIMITS.replicaLapseMs;
    if (!isServed || nowMs - (pending?.oldest_at_ms ?? nowMs) < staleMaxMs / 4) return;
    if (clock.monotonic() > untilMs)
      throw unavailable("the log does not take up what was changed: too much waits for it", {
        hint: "see: deadletter log status",
      });
    await sleep(clock, LIMITS.paceLookMs);
  }
}
