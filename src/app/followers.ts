// Who follows the log beside the redirect cache: the row that says up to where this process has heard, and durable consumers.

import { Consumer, type Consuming } from "../audit/consumer.ts";
import type { LogFeed } from "../audit/feed.ts";
import { publishConsumers } from "../audit/metrics.ts";
import { Presence } from "../audit/presence.ts";
import type { Config } from "../config/settings.ts";
import { DeadletterError, messageOf } from "../errors.ts";
import type { Metrics } from "../metrics/registry.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Outside } from "../runtime/outside.ts";
import { hostName, isAlive } from "../runtime/program.ts";
import type { Store } from "../store/store.ts";
import type { Part } from "./parts.ts";

export interface FollowersParts {
  readonly store: Store;
  readonly feed: LogFeed;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly outside: Outside;
}

export function createPresence(config: Config, { store, feed, log, outside }: FollowersParts): Presence {
  const presence = new Presence({
    ...outside,
    store,
    feed,
    host: hostName(),
    pid: process.pid,
    isAlive,
    outageMs: config.cacheOutage,
    onFailure: (error) => log.debug("this process's place in the log cannot be published", describeError(error)),
  });
  feed.follow(presence);
  return presence;
}

export function createConsumers(
  named: readonly Consuming[],
  { store, feed, metrics, log, outside }: FollowersParts,
): readonly Part[] {
  const consumers = named.map((each) => {
    let lastReason: string | undefined;
    // It tries again each second: said once for each reason, and not where the database is away, which others say.
    const onFailure = (error: unknown) => {
      const isDown = error instanceof DeadletterError && error.code === "unavailable";
      const isNew = messageOf(error) !== lastReason;
      lastReason = messageOf(error);
      log[isDown || !isNew ? "debug" : "warn"]("a consumer waits", { consumer: each.name, ...describeError(error) });
    };
    return new Consumer({ ...outside, ...each, store, feed, onFailure });
  });
  publishConsumers(metrics, consumers);
  return consumers.map((each) => ({
    name: `consumer ${each.name}`,
    start: () => each.start(),
    drain: () => each.drain(),
    close: () => each.close(),
  }));
}
