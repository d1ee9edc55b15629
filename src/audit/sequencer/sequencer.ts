// Puts committed events into one signed, ordered log, a batch a transaction, one sequencer at a time among all replicas.
// It writes nothing but the log's own tables, and never signs what it has not checked against what it remembers. Whoever wants
// it to run calls it: poller.ts does in a process that serves.

import { LIMITS } from "../../limits.ts";
import type { Clock } from "../../runtime/clock.ts";
import {
  type LogHead,
  listPending,
  lockLogHead,
  type PendingEvent,
  peekLog,
  readHeadAndQuarantine,
  readLogHead,
  type TailRow,
} from "../../store/queries/log.ts";
import { dequeue, insertLeaves, insertNodes, quarantine, updateLogHead } from "../../store/queries/log-writes.ts";
import type { Sql, Store, Tx } from "../../store/store.ts";
import type { Checkpoint } from "../../tlog/checkpoint.ts";
import type { Frontier } from "../../tlog/merkle.ts";
import { CheckpointError } from "../../tlog/note.ts";
import type { Alarm } from "../alarm.ts";
import type { CheckpointMemory } from "../checkpoint-memory.ts";
import type { LogKey } from "../log-key.ts";
import { type Batch, isDeferred, planBatch } from "./batch.ts";
import { type Head, openHead } from "./head.ts";
import { scrub } from "./scrub.ts";
import { startOfSweep, sweep } from "./sweep.ts";

export interface SequencerParts {
  readonly store: Store;
  readonly key: LogKey;
  readonly memory: CheckpointMemory;
  readonly clock: Clock;
  readonly alarm: Alarm;
  /** Called after a batch is committed, with the log's epoch; never inside its transaction. */
  readonly onPublished: (entries: readonly TailRow[], epoch: number) => void;
}

/** What one batch did. `busy`: another sequencer is at work. */
export interface BatchReport {
  readonly state: "busy" | "done";
  readonly leaves: number;
  readonly quarantined: number;
  /** Whether more may be waiting. */
  readonly isMore: boolean;
}

const NOTHING: BatchReport = { state: "done", leaves: 0, quarantined: 0, isMore: false };

export class Sequencer {
  readonly #parts: SequencerParts;
  /** The right edge of the tree at the last head this process saw; read anew where the head is another. */
  #frontier: Frontier | undefined;
  /** The head's note that was last opened and held against the memory. */
  #trustedNote: string | undefined;
  /** Queue rows up to here were taken more than LIMITS.sequencerLowWaterMs ago: not to be walked over again. */
  #lowWater = 0;
  #nextLowWater = { atMs: 0, id: 0 };
  /** The full tile that is hashed again next, and how many events were in quarantine at the last look. */
  #scrubbed = 0;
  #quarantined = 0;

  constructor(parts: SequencerParts) {
    this.#parts = parts;
  }

  /** The head that it has opened and held against the memory; undefined where it is to look first. */
  get head(): Head | undefined {
    return this.#frontier && this.#trustedNote !== undefined
      ? { frontier: this.#frontier, note: this.#trustedNote }
      : undefined;
  }

  /** Takes a head that extends the one it had, committed by this process together with the events (inline.ts). */
  published({ frontier, note }: Head, checkpoint: Checkpoint, entries: readonly TailRow[]): void {
    const { memory, onPublished } = this.#parts;
    memory.remember(checkpoint, note);
    if (this.#frontier && this.#frontier.size < frontier.size) {
      this.#frontier = frontier;
      this.#trustedNote = note;
    }
    onPublished(entries, memory.epoch);
  }

  /** Why the stored head must not be extended, without extending it; undefined where it may be. */
  async findRefusal(): Promise<string | undefined> {
    try {
      await this.#parts.store.snapshot(async (sql) => {
        const [head] = await readLogHead(sql);
        if (!head) throw new CheckpointError("the log has no head: its row was removed");
        await this.#open(sql, head);
      });
      return undefined;
    } catch (error) {
      if (error instanceof CheckpointError) return error.message;
      throw error;
    }
  }

  /** Sequences one batch at the most. Throws CheckpointError where the head must not be extended. */
  async runBatch(): Promise<BatchReport> {
    const { store, memory, onPublished } = this.#parts;
    const [peeked] = await store.read((sql) => peekLog(sql, this.#lowWater));
    if (!peeked) throw new CheckpointError("the log has no head: its row was removed");
    if (peeked.note === this.#trustedNote && peeked.oldest === null) return NOTHING;
    const integrated = await store.begin((tx) => this.#integrate(tx));
    if (integrated === "busy") return { ...NOTHING, state: "busy" };
    // Past here the batch is durable; had the outcome been unknown, the next batch would read the head again.
    const { batch, lastQueueId, isFull } = integrated;
    this.#frontier = batch.frontier;
    this.#trustedNote = batch.note;
    memory.remember(batch.checkpoint, batch.note);
    this.#moveLowWater(lastQueueId);
    this.#raiseAlarms(batch);
    if (batch.isGrown) onPublished(batch.entries, memory.epoch);
    return {
      state: "done",
      leaves: batch.leaves.length,
      quarantined: batch.falsehoods.length,
      isMore: isFull && batch.settled.length > 0,
    };
  }

  /** Queues again what is in neither queue nor log, among the newest events and all that came after them; how many those were. */
  async sweep(): Promise<number> {
    return this.#sweepFrom(await startOfSweep(this.#parts.store));
  }

  /** Looks at every event there is. */
  sweepAll(): Promise<number> {
    return this.#sweepFrom(0);
  }

  /**
   * Takes nothing for granted any more: the next batch reads head and tree anew and holds them against the memory, although
   * nothing may be waiting; some full tiles are hashed again, others at each call; more in quarantine than before is an alarm.
   */
  async recheck(): Promise<void> {
    const { store, alarm } = this.#parts;
    this.distrust();
    this.#scrubbed = await scrub(store, this.#scrubbed);
    const [head] = await store.read(readHeadAndQuarantine);
    const quarantined = head?.quarantined ?? 0;
    if (quarantined > this.#quarantined)
      alarm("quarantined", `${quarantined} events are in quarantine: see log status`);
    this.#quarantined = quarantined;
  }

  /** Writes the newest checkpoint to the file outside of the database. Throws where it cannot. */
  flush(): void {
    this.#parts.memory.flush();
  }

  /** The same, unless that was done lately. */
  flushWhenDue(): void {
    this.#parts.memory.flushWhenDue();
  }

  /** The next batch reads head and tree anew: the outcome of the last one may be unknown. */
  distrust(): void {
    this.#frontier = undefined;
    this.#trustedNote = undefined;
    this.#readQueueFromItsStart();
  }

  #sweepFrom(fromId: number): Promise<number> {
    const { store, alarm } = this.#parts;
    // Queue rows that were drawn early and committed late are found from here on.
    this.#readQueueFromItsStart();
    return sweep(store, alarm, fromId);
  }

  #readQueueFromItsStart(): void {
    this.#lowWater = 0;
    this.#nextLowWater = { atMs: this.#parts.clock.monotonic(), id: 0 };
  }

  async #integrate(tx: Tx) {
    const { store, key, clock } = this.#parts;
    const [head] = await lockLogHead(tx);
    if (!head) return "busy" as const;
    const before = await this.#open(tx, head);
    const pending = await this.#readPending(tx, LIMITS.sequencerBatch[store.engine]);
    const batch = planBatch(key, { before, note: head.note }, pending.rows);
    await write(tx, batch, clock.now());
    return { batch, lastQueueId: pending.rows.at(-1)?.queue_id ?? 0, isFull: pending.isFull };
  }

  async #open(sql: Sql, head: LogHead): Promise<Frontier> {
    const known = this.#frontier;
    return known && head.note === this.#trustedNote && known.size === head.size
      ? known
      : openHead(sql, head, this.#parts);
  }

  /** A batch of the oldest that wait; past those whose predecessor is still to come, up to LIMITS.sequencerDeferred. */
  async #readPending(tx: Tx, limit: number): Promise<{ rows: PendingEvent[]; isFull: boolean }> {
    const rows: PendingEvent[] = [];
    let after = this.#lowWater;
    let isReady = false;
    const seen = new Set<number>();
    for (;;) {
      const page = await listPending(tx, after, limit);
      for (const row of page) {
        seen.add(row.id);
        isReady ||= !isDeferred(row, seen);
        rows.push(row);
      }
      after = page.at(-1)?.queue_id ?? after;
      if (page.length < limit) return { rows, isFull: false };
      if (isReady || rows.length >= LIMITS.sequencerDeferred) return { rows, isFull: true };
    }
  }

  #moveLowWater(lastQueueId: number): void {
    const nowMs = this.#parts.clock.monotonic();
    if (nowMs - this.#nextLowWater.atMs < LIMITS.sequencerLowWaterMs) return;
    this.#lowWater = this.#nextLowWater.id;
    this.#nextLowWater = { atMs: nowMs, id: lastQueueId };
  }

  #raiseAlarms({ strays, falsehoods }: Batch): void {
    const { alarm } = this.#parts;
    for (const { id } of strays)
      alarm("stray", "a queue row named an event that is in the log or in quarantine already; it is taken away", {
        event_id: id,
      });
    this.#quarantined += falsehoods.length;
    for (const { event, reason } of falsehoods)
      alarm("quarantined", `an event is false and is kept out of the log: ${reason}`, {
        event_id: event.id,
        subject: `${event.subject_type}:${event.subject_id}`,
        version: event.version,
      });
  }
}

/** In one go; the transaction holds the head's lock. */
async function write(tx: Tx, batch: Batch, atMs: number): Promise<void> {
  const { leaves, nodes, falsehoods, settled, isGrown, checkpoint, note } = batch;
  const quarantined = falsehoods.map(({ event, reason }) => ({ event_id: event.id, reason, at_ms: atMs }));
  await Promise.all([
    ...(leaves.length > 0 ? [insertLeaves(tx, leaves)] : []),
    ...(nodes.length > 0 ? [insertNodes(tx, nodes)] : []),
    ...(quarantined.length > 0 ? [quarantine(tx, quarantined)] : []),
    ...(settled.length > 0 ? [dequeue(tx, settled)] : []),
    ...(isGrown ? [updateLogHead(tx, { size: checkpoint.size, note, at_ms: atMs })] : []),
  ]);
}
