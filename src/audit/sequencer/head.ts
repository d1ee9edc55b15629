// The head that may be extended: signed by us, borne out by the stored tree, and of no other history than this host remembers, or
// than a signed statement has put in the place of what it remembers.

import { sha256 } from "../../runtime/sha256.ts";
import { findEventIdAt, type LogHead, listLogStates } from "../../store/queries/log.ts";
import type { Sql } from "../../store/store.ts";
import { type Checkpoint, openCheckpoint } from "../../tlog/checkpoint.ts";
import { EMPTY_ROOT, type Frontier, isSameHash } from "../../tlog/merkle.ts";
import { CheckpointError, type VerifierKey } from "../../tlog/note.ts";
import { frontierAt } from "../../tlog/tiles.ts";
import { type CheckpointMemory, openStatements, type Statement } from "../checkpoint-memory.ts";
import { stateOf } from "../event.ts";
import { storedTiles } from "../stored-tree.ts";

/** A head that was signed, and the tree's right edge at it. */
export interface Head {
  readonly frontier: Frontier;
  readonly note: string;
}

/** The tree's right edge at the head. Throws CheckpointError where the head must not be extended. */
export async function openHead(
  sql: Sql,
  head: LogHead,
  { key, memory }: { readonly key: VerifierKey; readonly memory: CheckpointMemory },
): Promise<Frontier> {
  const { frontier, checkpoint } = await openTree(sql, head, key);
  await memory.check(checkpoint, storedTiles(sql), await readPublished(sql, key));
  return frontier;
}

/** The same whatever this host remembers: signed by us, and borne out by the stored tree. Throws CheckpointError. */
export async function openTree(
  sql: Sql,
  head: LogHead,
  key: VerifierKey,
): Promise<{ readonly frontier: Frontier; readonly checkpoint: Checkpoint }> {
  const checkpoint: Checkpoint = head.note === "" ? { size: 0, root: EMPTY_ROOT } : openCheckpoint(head.note, key);
  if (checkpoint.size !== head.size)
    throw new CheckpointError(`the log's head says ${head.size} entries, its signature ${checkpoint.size}`);
  const [beyond] = await findEventIdAt(sql, head.size);
  if (beyond) throw new CheckpointError(`the log has leaves past its signed size ${head.size}`);
  const frontier = await frontierAt(sha256, storedTiles(sql), head.size);
  if (!isSameHash(frontier.root, checkpoint.root))
    throw new CheckpointError(`the stored tree of ${head.size} entries does not have the root that was signed`);
  return { frontier, checkpoint };
}

/** The statements that the store holds, by epoch; those that are not signed say nothing. */
export async function readPublished(sql: Sql, key: VerifierKey): Promise<readonly Statement[]> {
  const states = (await listLogStates(sql)).map(({ state }) => stateOf(state)?.statement);
  return states.flatMap((note) => {
    if (typeof note !== "string") return [];
    try {
      return openStatements([note], key);
    } catch (error) {
      if (error instanceof CheckpointError) return [];
      throw error;
    }
  });
}
