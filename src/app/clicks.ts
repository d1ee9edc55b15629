// Clicks in one process: counted and journalled here, recorded in a thread where the store would otherwise hold up redirects.

import { join } from "node:path";
import { ClickRecorder, type Recorder } from "../clicks/click-recorder.ts";
import { Clicks } from "../clicks/clicks.ts";
import { newClickCounts, publishClicks } from "../clicks/metrics.ts";
import { ThreadedRecorder } from "../clicks/threaded-recorder.ts";
import type { Config } from "../config/settings.ts";
import type { Metrics } from "../metrics/registry.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Outside } from "../runtime/outside.ts";
import type { Store } from "../store/store.ts";

export interface ClicksParts {
  readonly store: Store;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly outside: Outside;
  readonly isThreadless: boolean;
}

export function createClicks(
  config: Config,
  { store, metrics, log, outside, isThreadless }: ClicksParts,
): { readonly clicks: Clicks; readonly recorder: Recorder } {
  const { databaseDeadlineMs: deadlineMs, clickReferrers: referrers } = config;
  const recorder =
    store.engine === "sqlite" && !isThreadless
      ? new ThreadedRecorder({ path: store.place, deadlineMs, referrers })
      : new ClickRecorder(store, referrers, outside.clock);
  const counts = newClickCounts();
  const clicks = new Clicks({
    store,
    recorder,
    counts,
    folder: join(config.dataDir, "clicks"),
    retentionDays: config.clickRetentionDays,
    outside,
    onError: (error) => log.warn("clicks wait for the store", describeError(error)),
  });
  publishClicks(metrics, counts, () => clicks.spooledBytes);
  return { clicks, recorder };
}
