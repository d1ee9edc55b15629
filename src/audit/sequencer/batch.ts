// One batch, decided and not written: which events go into the log now and in which order, the tree as it becomes, the signed head.
// Pure.

import { destinationFromState } from "../../model/destination.ts";
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
  const frontier = before.copy();
  const leaves: LeafRow[] = [];
  const nodes: NodeRow[] = [];
  for (const {
    row: { id, leaf_hash },
  } of integrated) {
    leaves.push({ idx: frontier.size, event_id: id, leaf_hash });
    frontier.append(leaf_hash, ({ level, index }, hash) => {
      if (level % TILE_HEIGHT === 0) nodes.push({ level: level / TILE_HEIGHT, idx: index, hash });
    });
  }
  const isGrown = leaves.length > 0 || note === "";
  const checkpoint: Checkpoint = { size: frontier.size, root: frontier.root };
  const taken = [...integrated.map(({ row }) => row), ...strays, ...falsehoods.map(({ event }) => event)];
  const settled = taken.map(({ queue_id }) => queue_id);
  return {
    frontier,
    checkpoint,
    note: isGrown ? signCheckpoint(key, checkpoint) : note,
    isGrown,
    leaves,
    nodes,
    entries: integrated.map((event, at) => entryOf(event, before.size + at)),
    falsehoods,
    strays,
    settled,
  };
}

/** An event that waits, with what its state says. */
interface OpenedPending extends Pick<OpenedEvent, "state"> {
  readonly row: PendingEvent;
}

function entryOf({ row, state }: OpenedPending, idx: number): TailRow {
  const { leaf_hash, subject_type, subject_id, version, op, at_ms } = row;
  const link = subject_type === "url" ? destinationFromState(state) : null;
  return { idx, leaf_hash, subject_type, subject_id, version, op, at_ms, link };
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
