// The head that may be extended: signed by us, borne out by the stored tree, and of no other history than this host remembers.

import { findEventIdAt, type LogHead } from "../../store/queries/log.ts";
import type { Sql } from "../../store/store.ts";
import { type Checkpoint, CheckpointError, openCheckpoint } from "../../tlog/checkpoint.ts";
import type { VerifierKey } from "../../tlog/log-key.ts";
import { EMPTY_ROOT, type Frontier, isSameHash } from "../../tlog/merkle.ts";
import { frontierAt } from "../../tlog/tiles.ts";
import type { CheckpointMemory } from "../checkpoint-memory.ts";
import { storedTiles } from "../stored-tree.ts";

/** The tree's right edge at the head. Throws CheckpointError where the head must not be extended. */
export async function openHead(
  sql: Sql,
  head: LogHead,
  { key, memory }: { readonly key: VerifierKey; readonly memory: CheckpointMemory },
): Promise<Frontier> {
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
  return frontier;
}
