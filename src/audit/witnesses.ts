// Whose log a store holds: its signed head and its oldest and newest events say which key wrote them.

import { LIMITS } from "../limits.ts";
import type { EventRow } from "../model/event.ts";
import { listOldestAndNewest } from "../store/queries/events.ts";
import { readLogHead } from "../store/queries/log.ts";
import type { Store } from "../store/store.ts";
import { openCheckpoint } from "../tlog/checkpoint.ts";
import { CheckpointError } from "../tlog/note.ts";
import { hashLeaf, tagOf } from "./event.ts";
import type { LogKey } from "./log-key.ts";

export interface Witnesses {
  readonly events: readonly EventRow[];
  /** The newest checkpoint; empty before the first. */
  readonly note: string;
  /** How many entries the log has. */
  readonly size: number;
  /** Whether anything was ever written. */
  readonly isInUse: boolean;
}

export async function readWitnesses(store: Store): Promise<Witnesses> {
  const events = await store.read((sql) => listOldestAndNewest(sql, LIMITS.keyWitnesses));
  const [head] = await store.read(readLogHead);
  return { events, note: head?.note ?? "", size: head?.size ?? 0, isInUse: events.length > 0 };
}

/** Whether the key may be the one that the store was written with: for a store without events, any key may be. */
export function isBorneOutBy({ events, note }: Witnesses, key: LogKey): boolean {
  return isSignedBy(key, note) || bearsOut(events, key);
}

function isSignedBy(key: LogKey, note: string): boolean {
  try {
    openCheckpoint(note, key);
    return true;
  } catch (error) {
    if (error instanceof CheckpointError) return false;
    throw error;
  }
}

/**
 * One event that carries the key's tag is proof enough: who has inserted or damaged others cannot have made it. Events that
 * are damaged themselves say nothing of the key.
 */
function bearsOut(events: readonly EventRow[], key: LogKey): boolean {
  const intact = events.filter(({ leaf, leaf_hash }) => Buffer.compare(hashLeaf(leaf), leaf_hash) === 0);
  return intact.length === 0 || intact.some(({ leaf_hash, tag }) => Buffer.compare(tagOf(key, leaf_hash), tag) === 0);
}
