// A signed statement of how long the log is and what its root is: C2SP tlog-checkpoint in a C2SP signed-note. Pure.

import { bytesOfBase64 } from "./base64.ts";
import { HASH_BYTES } from "./merkle.ts";
import { bodyOf, CheckpointError, openNote, type SignerKey, signNote, type VerifierKey } from "./note.ts";

export interface Checkpoint {
  /** How many leaves the log has. */
  readonly size: number;
  readonly root: Uint8Array;
}

export function signCheckpoint(key: SignerKey, { size, root }: Checkpoint): string {
  return signNote(key, `${key.origin}\n${size}\n${root.toBase64()}\n`);
}

/** Throws CheckpointError unless the note is this log's, whole, and signed with its key; other signatures are let be. */
export function openCheckpoint(note: string, key: VerifierKey): Checkpoint {
  const [origin = "", sizeText = "", rootText = ""] = bodyOf(note, "checkpoint").split("\n");
  if (origin !== key.origin)
    throw new CheckpointError(
      `the checkpoint is of the log ${JSON.stringify(origin.slice(0, 200))}, not ${key.origin}`,
    );
  openNote(note, key, "checkpoint");
  const checkpoint = readCheckpoint(sizeText, rootText);
  if (!checkpoint) throw new CheckpointError("the checkpoint's size or root cannot be read");
  return checkpoint;
}

/** A size in decimal and a root in base64, each as it is written and no other way; undefined where one is not. */
export function readCheckpoint(sizeText: string, rootText: string): Checkpoint | undefined {
  const size = Number(sizeText);
  const root = bytesOfBase64(rootText);
  if (!/^(0|[1-9]\d*)$/.test(sizeText) || !Number.isSafeInteger(size)) return undefined;
  if (root?.length !== HASH_BYTES || root.toBase64() !== rootText) return undefined;
  return { size, root };
}
