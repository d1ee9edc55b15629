// Puts events into the signed log in the very transaction that writes them, where transactions come one after the other and this
// process sequences: none has to wait in the queue, be read again and be committed once more. Wherever the log is not as this
// process left it, they wait in the queue all the same, and the sequencer looks into it.

import type { Destination } from "../../model/destination.ts";
import type { Clock } from "../../runtime/clock.ts";
import { GENERATION } from "../../store/generation.ts";
import type { TailRow } from "../../store/queries/log.ts";
import {
  appendLeaves,
  type LeafPlace,
  listPreviousLeaves,
  lookInline,
  type PreviousLeaf,
} from "../../store/queries/log-inline.ts";
import { insertNodes, type LeafRow, updateLogHead } from "../../store/queries/log-writes.ts";
import { StoreError, type Tx } from "../../store/store.ts";
import { type Checkpoint, signCheckpoint } from "../../tlog/checkpoint.ts";
import { type Frontier, isSameHash } from "../../tlog/merkle.ts";
import type { SealedEvent } from "../event.ts";
import type { LogKey } from "../log-key.ts";
import { entryOf, growTree } from "./batch.ts";
import type { Head } from "./head.ts";
import type { Sequencer } from "./sequencer.ts";

export interface InlineParts {
  readonly key: LogKey;
  readonly clock: Clock;
  /** The one that runs in this process; undefined where none does. */
  readonly sequencer: () => Sequencer | undefined;
  /** Told of what a follower of the log threw. */
  readonly onFailure: (error: unknown) => void;
  /** Told of events that wait in the queue: what comes after them waits as well. */
  readonly onQueued: () => void;
}

export interface InlineEvent {
  readonly event: SealedEvent;
  /** Leaf hash of its subject's event before it; null for the first. */
  readonly previousHash: Uint8Array | null;
  /** The link as it becomes; null for everything else. */
  readonly link: Destination | null;
}

export class InlineSequencer {
  readonly #parts: InlineParts;
  /** What transactions that are under way make of the head, by note: the next one may begin on it before it is committed. */
  readonly #tentative = new Map<string, Frontier>();

  constructor(parts: InlineParts) {
    this.#parts = parts;
  }

  /** Once a transaction is committed whose events wait in the queue. */
  queued(): void {
    if (this.#parts.sequencer()) this.#parts.onQueued();
  }

  /** Before a transaction has written anything. Undefined where its events are to wait in the queue. */
  async open(tx: Tx): Promise<InlineBatch | undefined> {
    const sequencer = this.#parts.sequencer();
    if (!sequencer?.head) return undefined;
    const [look] = await lookInline(tx);
    // Only now: the one before may have been committed meanwhile.
    const { head } = sequencer;
    if (!look || !head || look.waiting !== null || look.quarantined !== null) return undefined;
    // The queue refuses those who may not write to a store that was finalized for a later release.
    if (look.generation > GENERATION) return undefined;
    const frontier = look.note === head.note ? head.frontier : this.#tentative.get(look.note);
    if (frontier?.size !== look.size) return undefined;
    return new InlineBatch(this.#parts, sequencer, this.#tentative, {
      head: { frontier, note: look.note },
      lastEventId: look.last_event_id ?? 0,
    });
  }
}

/** What was written is not what was given to be written, or does not follow from what is in the log. */
export class InlineMismatch extends Error {}

/** What one transaction puts into the log. */
export class InlineBatch {
  readonly #parts: InlineParts;
  readonly #sequencer: Sequencer;
  readonly #tentative: Map<string, Frontier>;
  #head: Head;
  /** Of the head; undefined until something is written. */
  #checkpoint: Checkpoint | undefined;
  #place: LeafPlace;
  readonly #entries: TailRow[] = [];
  readonly #notes: string[] = [];
  #isEnded = false;

  constructor(
    parts: InlineParts,
    sequencer: Sequencer,
    tentative: Map<string, Frontier>,
    { head, lastEventId }: { readonly head: Head; readonly lastEventId: number },
  ) {
    this.#parts = parts;
    this.#sequencer = sequencer;
    this.#tentative = tentative;
    this.#head = head;
    this.#place = { size: head.frontier.size, afterEventId: lastEventId };
  }

  /**
   * Together with the insert of the events, which must be given to the transaction before; there must be at least one, and in this
   * order. Throws InlineMismatch, upon which the transaction must not be committed.
   */
  async write(tx: Tx, events: readonly InlineEvent[]): Promise<void> {
    if (this.#isEnded) throw new InlineMismatch("the transaction has ended");
    const { size, afterEventId } = this.#place;
    const { frontier, nodes, checkpoint } = growTree(
      this.#head.frontier,
      events.map(({ event }) => event),
    );
    const note = signCheckpoint(this.#parts.key, checkpoint);
    const hasPrevious = events.some(({ previousHash }) => previousHash !== null);
    this.#tentative.set(note, frontier);
    this.#notes.push(note);
    const [leaves, previous] = await Promise.all([
      appendLeaves(tx, this.#place),
      hasPrevious ? listPreviousLeaves(tx, size) : [],
      nodes.length > 0 ? insertNodes(tx, nodes) : undefined,
      updateLogHead(tx, { size: frontier.size, note, at_ms: this.#parts.clock.now() }),
    ]).catch(throwMismatch);
    assertWritten(events, { size, leaves, previous });
    this.#head = { frontier, note };
    this.#checkpoint = checkpoint;
    this.#place = { size: frontier.size, afterEventId: leaves.at(-1)?.event_id ?? afterEventId };
    this.#entries.push(...events.map(({ event, link }, at) => entryOf(event, link, size + at)));
  }

  /** After the commit, and after the writer's own caches have taken the change up. */
  publish(): void {
    this.end();
    try {
      if (this.#checkpoint) this.#sequencer.published(this.#head, this.#checkpoint, this.#entries);
    } catch (error) {
      // The change is committed: a follower that fails does not undo it.
      this.#parts.onFailure(error);
    }
  }

  /** After a rollback or an unknown outcome as well: the stored head says which it was. */
  end(): void {
    this.#isEnded = true;
    for (const note of this.#notes) this.#tentative.delete(note);
  }
}

/** A rule of the log's own tables: something is there that should not be, which the sequencer finds, and says. */
function throwMismatch(error: unknown): never {
  throw error instanceof StoreError ? new InlineMismatch(error.message, { cause: error }) : error;
}

interface Stored {
  readonly size: number;
  readonly leaves: readonly LeafRow[];
  readonly previous: readonly PreviousLeaf[];
}

/** The rows as the database has them now: something else than this program may have had a hand in them. */
function assertWritten(events: readonly InlineEvent[], { size, leaves, previous }: Stored): void {
  const before = new Map(previous.map(({ idx, leaf_hash }) => [idx, leaf_hash]));
  const isAsGiven = events.every(({ event, previousHash }, at) => {
    const leaf = leaves[at];
    const found = before.get(size + at);
    const follows =
      previousHash === null ? found === undefined : found !== undefined && isSameHash(found, previousHash);
    return leaf?.idx === size + at && isSameHash(leaf.leaf_hash, event.leaf_hash) && follows;
  });
  if (!isAsGiven || leaves.length !== events.length)
    throw new InlineMismatch("what was written is not what was given to be written");
}
