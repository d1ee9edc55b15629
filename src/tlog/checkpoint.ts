// A signed statement of how long the log is and what its root is: C2SP tlog-checkpoint in a C2SP signed-note. Pure.

import { sign, verify } from "node:crypto";
import type { LogKey, VerifierKey } from "./log-key.ts";
import { HASH_BYTES } from "./merkle.ts";

export interface Checkpoint {
  /** How many leaves the log has. */
  readonly size: number;
  readonly root: Uint8Array;
}

/** A checkpoint that must not be believed; the message says why. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/** Longest text that is taken for a checkpoint, in characters: room for the signatures of many witnesses. */
const MAX_CHARS = 20_000;
const ED25519_SIGNATURE_BYTES = 64;

export function signCheckpoint(key: LogKey, { size, root }: Checkpoint): string {
  const body = `${key.origin}\n${size}\n${Buffer.from(root).toString("base64")}\n`;
  const signature = sign(null, Buffer.from(body), key.privateKey);
  const line = Buffer.concat([Buffer.from(key.keyId, "hex"), signature]).toString("base64");
  return `${body}\n\u2014 ${key.origin} ${line}\n`;
}

/** Throws CheckpointError unless the note is this log's, whole, and signed with its key; other signatures are let be. */
export function openCheckpoint(note: string, key: VerifierKey): Checkpoint {
  if (note.length > MAX_CHARS) throw new CheckpointError("the checkpoint is too long to be one");
  const split = note.lastIndexOf("\n\n");
  if (split === -1 || !note.endsWith("\n")) throw new CheckpointError("the checkpoint is not a signed note");
  const body = note.slice(0, split + 1);
  const [origin = "", sizeText = "", rootText = ""] = body.split("\n");
  if (origin !== key.origin)
    throw new CheckpointError(
      `the checkpoint is of the log ${JSON.stringify(origin.slice(0, 200))}, not ${key.origin}`,
    );
  const isSigned = note
    .slice(split + 2)
    .split("\n")
    .some((line) => isSignature(line, body, key));
  if (!isSigned) throw new CheckpointError(`the checkpoint is not signed with the key ${key.keyId} of ${key.origin}`);
  const size = Number(sizeText);
  const root = new Uint8Array(Buffer.from(rootText, "base64"));
  const isCanonical = Buffer.from(root).toString("base64") === rootText && root.length === HASH_BYTES;
  if (!/^(0|[1-9]\d*)$/.test(sizeText) || !Number.isSafeInteger(size) || !isCanonical)
    throw new CheckpointError("the checkpoint's size or root cannot be read");
  return { size, root };
}

function isSignature(line: string, body: string, { origin, keyId, publicKey }: VerifierKey): boolean {
  const match = /^\u2014 (\S+) ([A-Za-z0-9+/]+=*)$/.exec(line);
  if (!match || match[1] !== origin) return false;
  const bytes = Buffer.from(match[2] ?? "", "base64");
  if (bytes.length !== 4 + ED25519_SIGNATURE_BYTES || bytes.subarray(0, 4).toString("hex") !== keyId) return false;
  return verify(null, Buffer.from(body), publicKey, bytes.subarray(4));
}
