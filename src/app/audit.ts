// The moving parts of the signed log in one process: sequencer, feed, remembered checkpoint, the watch on its own writes.

import { join } from "node:path";
import { ALARM_KINDS, type Alarm } from "../audit/alarm.ts";
import { CheckpointMemory } from "../audit/checkpoint-memory.ts";
import { type EntryListener, LogFeed } from "../audit/feed.ts";
import { OwnWrites } from "../audit/own-writes.ts";
import { Sequencer } from "../audit/sequencer.ts";
import type { Config } from "../config/settings.ts";
import { DeadletterError } from "../errors.ts";
import type { AuditLog } from "../http/service.ts";
import type { Metrics } from "../metrics/registry.ts";
import type { Committed } from "../operations/context.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Outside } from "../runtime/outside.ts";
import type { Store } from "../store/store.ts";
import type { LogKey } from "../tlog/log-key.ts";

export interface AuditLogParts {
  readonly store: Store;
  readonly key: LogKey;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly outside: Outside;
  /** What the process of this host that sequences would not vouch for, where that is another one; null for nothing, undefined before it has looked. */
  readonly refusalElsewhere: () => string | null | undefined;
}

export interface RunningAuditLog extends AuditLog {
  readonly ownWrites: OwnWrites;
  readonly alarm: Alarm;
  /** Takes note of what this process has just committed. */
  committed(changes: readonly Committed[]): void;
  /**
   * Begins to follow and to watch, and to sequence where no other process of this host does. Throws bad_request where the
   * remembered checkpoint cannot be used.
   */
  start(isSequencing?: boolean): void;
  /** Finds out, before anything is changed, whether the stored log extends what this host remembers. */
  checkHead(): Promise<void>;
  /** A sequencer that somebody else drives, with the checkpoint this host remembers. */
  createSequencer(): Sequencer;
  /** Lets other processes sequence from now on; following and watching go on. */
  stopSequencer(): Promise<void>;
  close(): Promise<void>;
}

/** Where a host keeps the newest checkpoint it has seen; the data directory must exist. */
export function checkpointPath(config: Config): string {
  return join(config.dataDir, "checkpoint");
}

export function createAuditLog(
  config: Config,
  { store, key, metrics, log, outside, refusalElsewhere }: AuditLogParts,
): RunningAuditLog {
  const { clock } = outside;
  for (const kind of ALARM_KINDS) metrics.logAlarms.inc({ kind }, 0);
  const alarm: Alarm = (kind, message, fields = {}) => {
    metrics.logAlarms.inc({ kind });
    log.error(`audit log alarm: ${message}`, { alarm: kind, ...fields });
  };
  const feed = new LogFeed({
    clock,
    store,
    key,
    onFailure: (error) => log.warn("the log cannot be followed now", describeError(error)),
  });
  const ownWrites = new OwnWrites(store, alarm, clock);
  feed.onEntries(ownWrites.settle);
  let sequencer: Sequencer | undefined;
  /** Found before anybody sequenced; until somebody has looked, nothing is vouched for. */
  let foundRefusal: string | undefined = "the stored log has not been looked at yet";
  let isStarted = false;

  /** Undefined where it cannot be read, or is of another log: a command need not care, and start() says so. */
  function rememberedOrNone(): CheckpointMemory | undefined {
    try {
      return new CheckpointMemory(checkpointPath(config), key, outside);
    } catch (error) {
      if (error instanceof DeadletterError) return undefined;
      throw error;
    }
  }

  function createSequencer(memory = new CheckpointMemory(checkpointPath(config), key, outside)): Sequencer {
    const onPublished: EntryListener = (entries) => {
      feed.take(entries);
      // Others find out by polling where this does not reach them.
      store.notify().catch((error: unknown) => log.debug("followers were not notified", describeError(error)));
    };
    return new Sequencer({ store, key, memory, clock, alarm, onPublished });
  }

  return {
    feed,
    ownWrites,
    alarm,
    refusal: () => {
      if (sequencer?.hasLooked) return sequencer.refusal;
      const said = refusalElsewhere();
      return said === undefined ? foundRefusal : (said ?? undefined);
    },
    committed(changes) {
      // Where nobody follows the log, nothing would ever take them off the list.
      if (isStarted) ownWrites.add(changes);
    },
    createSequencer,
    async checkHead() {
      const memory = rememberedOrNone();
      foundRefusal = memory && (await createSequencer(memory).findRefusal());
    },
    start(isSequencing = true) {
      isStarted = true;
      if (isSequencing) {
        sequencer = createSequencer();
        sequencer.start();
      }
      feed.start();
      ownWrites.start();
    },
    async stopSequencer() {
      await sequencer?.close();
    },
    async close() {
      ownWrites.close();
      try {
        await sequencer?.close();
      } finally {
        await feed.close();
      }
    },
  };
}
