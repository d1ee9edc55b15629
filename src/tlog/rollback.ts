// A signed statement that the log went back: what was known of it until then is no longer its history, and from which tree it goes
// on. Its first line is not an origin, so it cannot be mistaken for a checkpoint. Pure.
//
//   deadletter/rollback/v1
//   ORIGIN
//   EPOCH                      1 for the log's first rollback, one more for each that follows
//   OLD SIZE, OLD ROOT         the newest checkpoint that is given up
//   NEW SIZE, NEW ROOT         the checkpoint that everything from here on extends
//   TIME                       RFC 3339
//   REASON                     a JSON string

import { type Checkpoint, readCheckpoint } from "./checkpoint.ts";
import { isSameHash } from "./merkle.ts";
import { bodyOf, CheckpointError, openNote, type SignerKey, signNote, type VerifierKey } from "./note.ts";

export interface Rollback {
  readonly epoch: number;
  readonly old: Checkpoint;
  readonly new: Checkpoint;
  readonly at: string;
  readonly reason: string;
}

const FIRST_LINE = "deadletter/rollback/v1";

export function signRollback(key: SignerKey, rollback: Rollback): string {
  const { epoch, at, reason } = rollback;
  const lines = [FIRST_LINE, key.origin, epoch, lineOf(rollback.old), lineOf(rollback.new), at, JSON.stringify(reason)];
  return signNote(key, `${lines.join("\n")}\n`);
}

/** Throws CheckpointError unless the note is such a statement of this log's, whole, and signed with its key. */
export function openRollback(note: string, key: VerifierKey): Rollback {
  const [first, origin = "", epochText = "", oldText = "", newText = "", at = "", reasonText = ""] = bodyOf(
    note,
    "rollback",
  ).split("\n");
  if (first !== FIRST_LINE) throw new CheckpointError("the file is not a rollback statement");
  if (origin !== key.origin)
    throw new CheckpointError(`the rollback is of the log ${JSON.stringify(origin.slice(0, 200))}, not ${key.origin}`);
  openNote(note, key, "rollback");
  const [oldCheckpoint, newCheckpoint] = [oldText, newText].map(checkpointOf);
  const epoch = /^[1-9]\d{0,8}$/.test(epochText) ? Number(epochText) : undefined;
  if (!oldCheckpoint || !newCheckpoint || epoch === undefined)
    throw new CheckpointError("the rollback's sizes or roots cannot be read");
  return { epoch, old: oldCheckpoint, new: newCheckpoint, at, reason: reasonOf(reasonText) };
}

/**
 * Whether a checkpoint that somebody has kept is of what was given up. Of one that is shorter than the newest that was given up
 * nothing more can be said: the tree that would prove it is gone.
 */
export function covers({ old }: Rollback, kept: Checkpoint): boolean {
  return kept.size < old.size || (kept.size === old.size && isSameHash(kept.root, old.root));
}

function lineOf({ size, root }: Checkpoint): string {
  return `${size} ${root.toBase64()}`;
}

function checkpointOf(line: string): Checkpoint | undefined {
  const [size = "", root = ""] = line.split(" ");
  return readCheckpoint(size, root);
}

function reasonOf(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return "";
  }
}
