// Puts committed events into one signed, ordered log, a batch a transaction, one sequencer at a time among all replicas.
// It writes nothing but the log's own tables, and never signs what it has not checked against what it remembers.

import { LIMITS } from "../limits.ts";
import { destinationFromState } from "../model/link.ts";
import type { Clock, Timer } from "../runtime/clock.ts";
import { GENERATION } from "../store/generation.ts";
import {
  dequeue,
  enqueue,
  findEventIdAt,
  findNewestEventId,
  insertLeaves,
  insertNodes,
  type LeafRow,
  type LogHead,
  listForgotten,
  listNodeHashes,
  listPending,
  lockLogHead,
  type NodeRow,
  type PendingEvent,
  peekLog,
  quarantine,
  readHeadAndQuarantine,
  readLogHead,
  type TailRow,
  updateLogHead,
} from "../store/queries/log.ts";
import type { Sql, Store, Tx } from "../store/store.ts";
import { type Checkpoint, CheckpointError, openCheckpoint, signCheckpoint } from "../tlog/checkpoint.ts";
import type { LogKey } from "../tlog/log-key.ts";
import { EMPTY_ROOT, Frontier, HASH_BYTES, isSameHash } from "../tlog/merkle.ts";
import { frontierAt, TILE_HEIGHT, TILE_WIDTH } from "../tlog/tiles.ts";
import type { Alarm } from "./alarm.ts";
import type { CheckpointMemory } from "./checkpoint-memory.ts";
import { contradictionsOf, openEvent, stateOf } from "./event.ts";
import { storedTiles } from "./stored-tree.ts";

export interface SequencerParts {
  readonly store: Store;
  readonly key: LogKey;
  readonly memory: CheckpointMemory;
  readonly clock: Clock;
  readonly alarm: Alarm;
  /** Called after a batch is committed; never inside its transaction. */
  readonly onPublished: (entries: readonly TailRow[]) => void;
}

const ENQUEUED_AT_ONCE = 1_000;

/** What one batch did. `busy`: another sequencer is at work. */
export interface BatchReport {
  readonly state: "busy" | "done";
  readonly leaves: number;
  readonly quarantined: number;
  /** Whether more may be waiting. */
  readonly isMore: boolean;
}

interface Falsehood {
  readonly event: PendingEvent;
  readonly reason: string;
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
  /** Since when another process has held the head's lock at each try. */
  #busySinceMs: number | undefined;
  #sweptMs = 0;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;
  #refusal: string | undefined;
  #hasLooked = false;
  /** What was reported last, so that the same is not reported every second. */
  #failure: string | undefined;

  constructor(parts: SequencerParts) {
    this.#parts = parts;
  }

  /** Why nothing is sequenced, where the log's head was refused. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Whether it has looked at the log since start(). */
  get hasLooked(): boolean {
    return this.#hasLooked;
  }

  /** Why the stored head must not be extended, without extending it; undefined where it may be. */
  async findRefusal(): Promise<string | undefined> {
    try {
      await this.#parts.store.snapshot(async (sql) => {
        const [head] = await readLogHead(sql);
        if (!head) throw new CheckpointError("the log has no head: its row was removed");
        await this.#openHead(sql, head);
      });
      return undefined;
    } catch (error) {
      if (error instanceof CheckpointError) return error.message;
      throw error;
    }
  }

  /** Polls until close(). */
  start(): void {
    this.#sweptMs = this.#parts.clock.monotonic();
    this.#schedule(0);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#parts.clock.cancel(this.#timer);
    await this.#running;
    try {
      this.#parts.memory.flush();
    } catch (error) {
      this.#report(error, this.#parts.alarm);
    }
  }

  /** Sequences one batch at the most. Throws CheckpointError where the head must not be extended. */
  async runBatch(): Promise<BatchReport> {
    const { store, memory, alarm, onPublished } = this.#parts;
    const [peeked] = await store.read((sql) => peekLog(sql, this.#lowWater));
    if (!peeked) throw new CheckpointError("the log has no head: its row was removed");
    if (peeked.note === this.#trustedNote && peeked.oldest === null) return NOTHING;
    const batch = await store.begin((tx) => this.#integrate(tx));
    if (batch === "busy") return { ...NOTHING, state: "busy" };
    // Past here the batch is durable; had the outcome been unknown, the next batch would read the head again.
    this.#frontier = batch.frontier;
    this.#trustedNote = batch.note;
    memory.remember(batch.checkpoint, batch.note);
    this.#moveLowWater(batch.lastQueueId);
    for (const { id } of batch.strays)
      alarm("stray", "a queue row named an event that is in the log or in quarantine already; it is taken away", {
        event_id: id,
      });
    this.#quarantined += batch.falsehoods.length;
    for (const { event, reason } of batch.falsehoods) {
      const subject = `${event.subject_type}:${event.subject_id}`;
      alarm("quarantined", `an event is false and is kept out of the log: ${reason}`, {
        event_id: event.id,
        subject,
        version: event.version,
      });
    }
    if (batch.isGrown) onPublished(batch.entries);
    const quarantined = batch.falsehoods.length;
    return { state: "done", leaves: batch.leaves, quarantined, isMore: batch.isMore };
  }

  /**
   * Queues again what is in neither queue nor log, among the newest events and all that came after them. An event, its
   * queue row and its leaf come and go in single transactions, so one statement's snapshot sees exactly one of queue row
   * and leaf. Returns how many were found.
   */
  async sweep(): Promise<number> {
    const from = await this.#parts.store.read((sql) => this.#startOfSweep(sql));
    return this.#sweepFrom(from);
  }

  /** Looks at every event there is. */
  sweepAll(): Promise<number> {
    return this.#sweepFrom(0);
  }

  async #sweepFrom(fromId: number): Promise<number> {
    const { store, alarm } = this.#parts;
    // Queue rows that were drawn early and committed late are found from here on.
    this.#lowWater = 0;
    this.#nextLowWater = { atMs: this.#parts.clock.monotonic(), id: 0 };
    let found = 0;
    for (let afterId = fromId, isMore = true; isMore; ) {
      const part = await store.begin(async (tx) => {
        const [head] = await lockLogHead(tx);
        const newestId = head ? ((await findNewestEventId(tx))[0]?.id ?? 0) : 0;
        const throughId = Math.min(newestId, afterId + LIMITS.sweepIds);
        const forgotten = head ? await listForgotten(tx, afterId, throughId, LIMITS.sweepIds) : [];
        for (let at = 0; at < forgotten.length; at += ENQUEUED_AT_ONCE)
          await enqueue(
            tx,
            forgotten.slice(at, at + ENQUEUED_AT_ONCE).map(({ id }) => id),
            GENERATION,
          );
        return { ids: forgotten.map(({ id }) => id), throughId, isMore: throughId < newestId };
      });
      for (const id of part.ids)
        alarm("forgotten", "an event was in neither queue nor log: its queue row was removed; it is queued again", {
          event_id: id,
        });
      found += part.ids.length;
      afterId = part.throughId;
      isMore = part.isMore;
    }
    return found;
  }

  /**
   * Takes nothing for granted any more: the next batch reads head and tree anew and holds them against the memory, although
   * nothing may be waiting; some full tiles are hashed again, others at each call; more in quarantine than before is an alarm.
   */
  async recheck(): Promise<void> {
    const { store, alarm } = this.#parts;
    this.#frontier = undefined;
    this.#trustedNote = undefined;
    await this.#scrub();
    const [head] = await store.read(readHeadAndQuarantine);
    const quarantined = head?.quarantined ?? 0;
    if (quarantined > this.#quarantined)
      alarm("quarantined", `${quarantined} events are in quarantine: see log status`);
    this.#quarantined = quarantined;
  }

  async #scrub(): Promise<void> {
    const { store } = this.#parts;
    const tiles = Math.floor(((await store.read(readLogHead))[0]?.size ?? 0) / TILE_WIDTH);
    for (let count = 0; count < Math.min(tiles, LIMITS.scrubTiles); count++) {
      const index = (this.#scrubbed + count) % tiles;
      const [stored] = await store.read((sql) => listNodeHashes(sql, 1, index, index + 1));
      const made = await store.read(async (sql) =>
        hashOfTile(await storedTiles(sql)({ level: 0, index, width: TILE_WIDTH })),
      );
      if (!stored || !isSameHash(stored.hash, made))
        throw new CheckpointError(`entries ${index * TILE_WIDTH} to ${(index + 1) * TILE_WIDTH - 1} were changed`);
    }
    this.#scrubbed = tiles === 0 ? 0 : (this.#scrubbed + LIMITS.scrubTiles) % tiles;
  }

  async #startOfSweep(sql: Sql): Promise<number> {
    const [head] = await readLogHead(sql);
    const [last] = head === undefined || head.size === 0 ? [] : await findEventIdAt(sql, head.size - 1);
    return Math.max(0, (last?.event_id ?? 0) - LIMITS.sweepIds);
  }

  async #integrate(tx: Tx) {
    const { store, key, clock } = this.#parts;
    const [head] = await lockLogHead(tx);
    if (!head) return "busy" as const;
    const before = await this.#openHead(tx, head);
    const pending = await this.#readPending(tx, LIMITS.sequencerBatch[store.engine]);
    const strays = pending.rows.filter(({ settled_id }) => settled_id !== null);
    const { integrated, falsehoods } = sortOut(
      key,
      pending.rows.filter(({ settled_id }) => settled_id === null),
    );
    const frontier = before.frontier.copy();
    const leaves: LeafRow[] = [];
    const nodes: NodeRow[] = [];
    for (const { id, leaf_hash } of integrated) {
      leaves.push({ idx: frontier.size, event_id: id, leaf_hash });
      frontier.append(leaf_hash, ({ level, index }, hash) => {
        if (level % TILE_HEIGHT === 0) nodes.push({ level: level / TILE_HEIGHT, idx: index, hash });
      });
    }
    const isGrown = leaves.length > 0 || head.note === "";
    const checkpoint: Checkpoint = { size: frontier.size, root: frontier.root };
    const note = isGrown ? signCheckpoint(key, checkpoint) : head.note;
    const atMs = clock.now();
    const settled = [...integrated, ...strays, ...falsehoods.map(({ event }) => event)].map(({ queue_id }) => queue_id);
    await Promise.all([
      ...(leaves.length > 0 ? [insertLeaves(tx, leaves)] : []),
      ...(nodes.length > 0 ? [insertNodes(tx, nodes)] : []),
      ...(falsehoods.length > 0
        ? [
            quarantine(
              tx,
              falsehoods.map(({ event, reason }) => ({ event_id: event.id, reason, at_ms: atMs })),
            ),
          ]
        : []),
      ...(settled.length > 0 ? [dequeue(tx, settled)] : []),
      ...(isGrown ? [updateLogHead(tx, { size: checkpoint.size, note, at_ms: atMs })] : []),
    ]);
    return {
      frontier,
      checkpoint,
      note,
      isGrown,
      falsehoods,
      strays,
      leaves: leaves.length,
      entries: integrated.map(({ leaf_hash, subject_type, subject_id, op, state }, at) => ({
        idx: head.size + at,
        leaf_hash,
        subject_type,
        subject_id,
        op,
        link: subject_type === "url" ? destinationFromState(stateOf(state)) : null,
      })),
      lastQueueId: pending.rows.at(-1)?.queue_id ?? 0,
      isMore: pending.isFull && settled.length > 0,
    };
  }

  /** The head that may be extended: signed by us, borne out by the stored tree, and no other history than we remember. */
  async #openHead(sql: Sql, head: LogHead): Promise<{ frontier: Frontier }> {
    const { key, memory } = this.#parts;
    const known = this.#frontier;
    if (known && head.note === this.#trustedNote && known.size === head.size) return { frontier: known };
    const read = storedTiles(sql);
    const checkpoint: Checkpoint = head.note === "" ? { size: 0, root: EMPTY_ROOT } : openCheckpoint(head.note, key);
    if (checkpoint.size !== head.size)
      throw new CheckpointError(`the log's head says ${head.size} entries, its signature ${checkpoint.size}`);
    const [beyond] = await findEventIdAt(sql, head.size);
    if (beyond) throw new CheckpointError(`the log has leaves past its signed size ${head.size}`);
    const frontier = await frontierAt(read, head.size);
    if (!isSameHash(frontier.root, checkpoint.root))
      throw new CheckpointError(`the stored tree of ${head.size} entries does not have the root that was signed`);
    await memory.check(checkpoint, read);
    return { frontier };
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

  #schedule(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = this.#parts.clock.after(ms, () => {
      this.#running = this.#poll().then((next) => this.#schedule(next));
    });
  }

  /** How long to wait before the next poll. */
  async #poll(): Promise<number> {
    const { alarm, memory } = this.#parts;
    try {
      if (this.#parts.clock.monotonic() - this.#sweptMs >= LIMITS.sweepMs) {
        this.#sweptMs = this.#parts.clock.monotonic();
        await this.sweep();
        await this.recheck();
      }
      let batch = await this.runBatch();
      while (!this.#isClosed && batch.isMore) batch = await this.runBatch();
      this.#noteBusy(batch.state);
      memory.flushWhenDue();
      // Only who has looked at the head knows that it is right.
      if (batch.state === "done") {
        this.#hasLooked = true;
        this.#failure = undefined;
        this.#refusal = undefined;
      }
      return LIMITS.sequencerPollMs;
    } catch (error) {
      this.#report(error, alarm);
      return LIMITS.sequencerRetryMs;
    }
  }

  #noteBusy(state: BatchReport["state"]): void {
    if (state === "done") this.#busySinceMs = undefined;
    else this.#busySinceMs ??= this.#parts.clock.monotonic();
    if (this.#busySinceMs !== undefined && this.#parts.clock.monotonic() - this.#busySinceMs > LIMITS.sweepMs) {
      this.#busySinceMs = undefined;
      this.#parts.alarm("failed", "another process holds the log's head, and did so at every try for a minute");
    }
  }

  /** An alarm each time the reason is a new one; a store that is down alarms by itself. */
  #report(error: unknown, alarm: Alarm): void {
    this.#trustedNote = undefined;
    const message = error instanceof Error ? error.message : String(error);
    const isRefusal = error instanceof CheckpointError;
    // A store that is down says nothing of the log: what was refused before stays refused.
    if (isRefusal) this.#refusal = message;
    this.#hasLooked ||= isRefusal;
    if (this.#failure === message) return;
    this.#failure = message;
    const isDown = (error as { code?: unknown }).code === "unavailable";
    if (isRefusal) alarm("refused", `the log is not extended: ${message}`);
    else if (!isDown) alarm("failed", `sequencing failed and is tried again: ${message}`);
  }
}

/** The root of a full tile's 256 hashes. */
function hashOfTile(tile: Uint8Array): Uint8Array {
  const frontier = new Frontier();
  for (let at = 0; at < tile.length; at += HASH_BYTES) frontier.append(tile.subarray(at, at + HASH_BYTES));
  return frontier.root;
}

function isDeferred(row: PendingEvent, seen: ReadonlySet<number>): boolean {
  return (
    row.previous_id !== null &&
    row.previous_hash === null &&
    row.previous_quarantined === null &&
    !seen.has(row.previous_id)
  );
}

/** Which events go into the log now, in which order, and which are false. What waits for another is in neither list. */
function sortOut(
  key: LogKey,
  pending: readonly PendingEvent[],
): { integrated: PendingEvent[]; falsehoods: Falsehood[] } {
  const integrated: PendingEvent[] = [];
  const falsehoods: Falsehood[] = [];
  const hashes = new Map<number, Uint8Array>();
  const refused = new Set<number>();
  const refuse = (event: PendingEvent, reason: string) => {
    refused.add(event.id);
    falsehoods.push({ event, reason });
  };
  for (const event of pending) {
    const { previous_id, version } = event;
    if (version > 1 && previous_id === null) {
      refuse(event, `version ${version - 1} of its subject is missing`);
      continue;
    }
    const previousHash =
      event.previous_hash ??
      (previous_id === null ? undefined : hashes.get(previous_id)) ??
      (version === 1 ? null : undefined);
    if (previousHash === undefined) {
      const isRefused = event.previous_quarantined !== null || (previous_id !== null && refused.has(previous_id));
      if (isRefused) refuse(event, "the event of its subject before it is in quarantine");
      continue;
    }
    const contradictions = contradictionsOf(key, openEvent(event), previousHash);
    if (contradictions.length > 0) {
      refuse(event, contradictions.join("; "));
      continue;
    }
    hashes.set(event.id, event.leaf_hash);
    integrated.push(event);
  }
  return { integrated, falsehoods };
}
