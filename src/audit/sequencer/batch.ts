// One batch, decided and not written: which events go into the log now and in which order, the tree as it becomes, the signed head.
// Pure.

import { type Destination, destinationFromState } from "../../model/destination.ts";
import type { PendingEvent, TailRow } from "../../store/queries/log.ts";
import type { LeafRow, NodeRow } from "../../store/queries/log-writes.ts";
import { type Checkpoint, signCheckpoint } from "../../tlog/checkpoint.ts";
import type { Frontier } from "../../tlog/merkle.ts";
import { TILE_HEIGHT } from "../../tlog/tiles.ts";
import { contradictionsOf, type OpenedEvent, openEvent } from "../event.ts";
import type { LogKey } from "../log-key.ts";

export interface Falsehood {
  readonly event: PendingEvent;
  readonly reason: string;
}

export interface Batch {
  readonly frontier: Frontier;
  readonly checkpoint: Checkpoint;
  /** The head that was, where nothing came to it. */
  readonly note: string;
  readonly isGrown: boolean;
  readonly leaves: readonly LeafRow[];
  readonly nodes: readonly NodeRow[];
  /** What followers are told. */
  readonly entries: readonly TailRow[];
  readonly falsehoods: readonly Falsehood[];
  /** Queue rows of what is in the log or in quarantine already. */
  readonly strays: readonly PendingEvent[];
  /** Queue rows that have had their turn. */
  readonly settled: readonly number[];
}

/** What becomes of the log at `before`, whose head is `note`, with those that wait. */
export function planBatch(
  key: LogKey,
  { before, note }: { readonly before: Frontier; readonly note: string },
  pending: readonly PendingEvent[],
): Batch {
  const strays = pending.filter(({ settled_id }) => settled_id !== null);
  const waiting = pending.filter(({ settled_id }) => settled_id === null);
  const { integrated, falsehoods } = sortOut(key, waiting);
  const leaves = integrated.map(({ row: { id, leaf_hash } }, at): LeafRow => {
    return { idx: before.size + at, event_id: id, leaf_hash };
  });
  const { frontier, nodes, checkpoint } = growTree(before, leaves);
  const isGrown = leaves.length > 0 || note === "";
  const taken = [...integrated.map(({ row }) => row), ...strays, ...falsehoods.map(({ event }) => event)];
  const settled = taken.map(({ queue_id }) => queue_id);
  return {
    frontier,
    checkpoint,
    note: isGrown ? signCheckpoint(key, checkpoint) : note,
    isGrown,
    leaves,
    nodes,
    entries: integrated.map(({ row, state }, at) => {
      const link = row.subject_type === "url" ? destinationFromState(state) : null;
      return entryOf(row, link, before.size + at);
    }),
    falsehoods,
    strays,
    settled,
  };
}

/** An event that waits, with what its state says. */
interface OpenedPending extends Pick<OpenedEvent, "state"> {
  readonly row: PendingEvent;
}

/** What followers are told of an event that stands in the log at `idx`; `link` is null where it is of no link. */
export function entryOf(event: Omit<TailRow, "idx" | "link">, link: Destination | null, idx: number): TailRow {
  const { leaf_hash, subject_type, subject_id, version, op, at_ms } = event;
  return { idx, leaf_hash, subject_type, subject_id, version, op, at_ms, link };
}

export interface GrownTree {
  readonly frontier: Frontier;
  readonly checkpoint: Checkpoint;
  /** The hashes of the tiles that are full now. */
  readonly nodes: readonly NodeRow[];
}

/** The tree with these leaves after those that it has. */
export function growTree(before: Frontier, leaves: readonly Pick<LeafRow, "leaf_hash">[]): GrownTree {
  const frontier = before.copy();
  const nodes: NodeRow[] = [];
  for (const { leaf_hash } of leaves)
    frontier.append(leaf_hash, ({ level, index }, hash) => {
      if (level % TILE_HEIGHT === 0) nodes.push({ level: level / TILE_HEIGHT, idx: index, hash });
    });
  return { frontier, checkpoint: { size: frontier.size, root: frontier.root }, nodes };
}

/** Whether it waits for the event of its subject before it, which is neither in the log nor among those `seen`. */
export function isDeferred(row: PendingEvent, seen: ReadonlySet<number>): boolean {
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
): { integrated: OpenedPending[]; falsehoods: Falsehood[] } {
  const integrated: OpenedPending[] = [];
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
    const opened = openEvent(event);
    const contradictions = contradictionsOf(key, opened, previousHash);
    if (contradictions.length > 0) {
      refuse(event, contradictions.join("; "));
      continue;
    }
    hashes.set(event.id, event.leaf_hash);
    integrated.push({ row: event, state: opened.state });
  }
  return { integrated, falsehoods };
}
