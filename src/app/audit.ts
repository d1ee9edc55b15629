// The signed log in one process: sequencer, feed, remembered checkpoint, the watch on its own writes.

import { join } from "node:path";
import type { Alarm } from "../audit/alarm.ts";
import { CheckpointMemory } from "../audit/checkpoint-memory.ts";
import { LogFeed } from "../audit/feed.ts";
import type { LogKey } from "../audit/log-key.ts";
import { countAlarms } from "../audit/metrics.ts";
import { OwnWrites } from "../audit/own-writes.ts";
import { InlineSequencer } from "../audit/sequencer/inline.ts";
import { SequencerPoller } from "../audit/sequencer/poller.ts";
import { Sequencer } from "../audit/sequencer/sequencer.ts";
import type { Config } from "../config/settings.ts";
import { DeadletterError } from "../errors.ts";
import type { AuditLog } from "../http/service.ts";
import type { Metrics } from "../metrics/registry.ts";
import type { Committed } from "../operations/context.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import type { Outside } from "../runtime/outside.ts";
import type { Store } from "../store/store.ts";
import type { Part } from "./parts.ts";

export interface AuditLogParts {
  readonly store: Store;
  readonly key: LogKey;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly outside: Outside;
  /** Whether this process sequences; no other one of this host does then. */
  readonly isSequencing: boolean;
  /** What the process of this host that sequences would not vouch for, where that is another one; null for nothing, undefined before it has looked. */
  readonly refusalElsewhere: () => string | null | undefined;
}

export interface RunningAuditLog extends AuditLog {
  readonly ownWrites: OwnWrites;
  readonly alarm: Alarm;
  /** On an engine with one writer at a time. */
  readonly inline: InlineSequencer | undefined;
  /** Takes note of what this process has just committed. */
  committed(changes: readonly Committed[]): void;
  /** Finds out, before anything is changed, whether the stored log extends what this host remembers. */
  checkHead(): Promise<void>;
  /** A sequencer that somebody else drives, with the checkpoint this host remembers; who has driven it calls flush(). */
  createSequencer(): Sequencer;
  /** Throws bad_request as it starts where the remembered checkpoint cannot be used. Its close() lets other processes sequence. */
  readonly sequencing: Part;
  readonly following: Part;
  readonly watching: Part;
}

const NOT_LOOKED_AT = "the stored log has not been looked at yet";

/** Where a host keeps the newest checkpoint it has seen; the data directory must exist. */
export function checkpointPath(config: Config): string {
  return join(config.dataDir, "checkpoint");
}

export function createAuditLog(config: Config, parts: AuditLogParts): RunningAuditLog {
  const { store, key, metrics, log, outside, isSequencing, refusalElsewhere } = parts;
  const { clock } = outside;
  const alarms = countAlarms(metrics);
  const alarm: Alarm = (kind, message, fields = {}) => {
    alarms.inc({ kind });
    log.error(`audit log alarm: ${message}`, { alarm: kind, ...fields });
  };
  const feed = new LogFeed({
    clock,
    store,
    key,
    onHead(checkpoint, note, epoch) {
      if (poller?.hasLooked && poller.refusal === undefined) memory?.hearOf(checkpoint, note, epoch);
    },
    onFailure: (error) => log.warn("the log cannot be followed now", describeError(error)),
  });
  const ownWrites = new OwnWrites(store, alarm, clock);
  feed.follow({ onEntries: ownWrites.settle });
  let poller: SequencerPoller | undefined;
  /** The one that the poller runs. */
  let sequencer: Sequencer | undefined;
  const createInline = () =>
    new InlineSequencer({
      key,
      clock,
      sequencer: () => sequencer,
      onQueued: () => poller?.poke(),
      onFailure: (error) => log.error("not all who follow the log could be told", describeError(error)),
    });
  /** Of the sequencer that runs here. */
  let memory: CheckpointMemory | undefined;
  /** Found before anybody sequenced; until somebody has looked, nothing is vouched for. */
  let foundRefusal: string | undefined = NOT_LOOKED_AT;
  let isWatching = false;

  const remember = () => new CheckpointMemory(checkpointPath(config), key, outside);

  /** Undefined where it cannot be read, or is of another log: a command need not care, and the sequencer's start says so. */
  function rememberedOrNone(): CheckpointMemory | undefined {
    try {
      return remember();
    } catch (error) {
      if (error instanceof DeadletterError) return undefined;
      throw error;
    }
  }

  function createSequencer(remembered = remember()): Sequencer {
    return new Sequencer({
      store,
      key,
      memory: remembered,
      clock,
      alarm,
      onPublished(entries, epoch) {
        feed.take(entries, epoch);
        // Others find out by polling where this does not reach them.
        store.notify().catch((error: unknown) => log.debug("followers were not notified", describeError(error)));
      },
    });
  }

  function refusal(): string | undefined {
    // What this process was told itself is gone, whatever others remember.
    if (feed.refusal !== undefined) return feed.refusal;
    if (poller?.hasLooked) return poller.refusal;
    const said = refusalElsewhere();
    return said === undefined ? foundRefusal : (said ?? undefined);
  }

  return {
    feed,
    ownWrites,
    alarm,
    inline: store.engine === "sqlite" ? createInline() : undefined,
    refusal,
    isRefused() {
      const found = refusal();
      return found === NOT_LOOKED_AT ? undefined : found !== undefined;
    },
    committed(changes) {
      // Without a follower nothing would ever take them off the list.
      if (isWatching) ownWrites.add(changes);
    },
    createSequencer,
    async checkHead() {
      const remembered = rememberedOrNone();
      foundRefusal = remembered && (await createSequencer(remembered).findRefusal());
    },
    sequencing: {
      name: "sequencer",
      start() {
        if (!isSequencing) return;
        memory = remember();
        sequencer = createSequencer(memory);
        poller = new SequencerPoller({
          sequencer,
          clock,
          alarm,
          onRefused: () => feed.distrust(),
        });
        poller.start();
      },
      close() {
        sequencer = undefined;
        return poller?.close();
      },
    },
    following: {
      name: "feed",
      start: () => feed.start(),
      drain: () => feed.releaseWaiters(),
      close: () => feed.close(),
    },
    watching: {
      name: "watch on own writes",
      start() {
        isWatching = true;
        ownWrites.start();
      },
      close: () => ownWrites.close(),
    },
  };
}
