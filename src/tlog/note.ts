// A text with the log's Ed25519 signature under it: C2SP signed-note. Pure.

import { sign, verify } from "node:crypto";
import type { LogKey, VerifierKey } from "./log-key.ts";

/** What must not be believed: a checkpoint, another note of the log's, or the tree they speak of. The message says why. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/** Longest text that is taken for a note, in characters: room for the signatures of many witnesses. */
const MAX_CHARS = 20_000;
const ED25519_SIGNATURE_BYTES = 64;

/** `body` ends with a newline and has no empty line in it. */
export function signNote(key: LogKey, body: string): string {
  const signature = sign(null, Buffer.from(body), key.privateKey);
  const line = Buffer.concat([Buffer.from(key.keyId, "hex"), signature]).toString("base64");
  return `${body}\n\u2014 ${key.origin} ${line}\n`;
}

/** What a note says, whoever signed it; `what` is what it should be, in words. Throws CheckpointError for what is no note. */
export function bodyOf(note: string, what: string): string {
  if (note.length > MAX_CHARS) throw new CheckpointError(`the ${what} is too long to be one`);
  const split = note.lastIndexOf("\n\n");
  if (split === -1 || !note.endsWith("\n")) throw new CheckpointError(`the ${what} is not a signed note`);
  return note.slice(0, split + 1);
}

/** The same of one that is signed with the key; other signatures are let be. Throws CheckpointError. */
export function openNote(note: string, key: VerifierKey, what: string): string {
  const body = bodyOf(note, what);
  const lines = note.slice(body.length + 1).split("\n");
  if (lines.some((line) => isSignature(line, body, key))) return body;
  throw new CheckpointError(`the ${what} is not signed with the key ${key.keyId} of ${key.origin}`);
}

function isSignature(line: string, body: string, { origin, keyId, publicKey }: VerifierKey): boolean {
  const match = /^\u2014 (\S+) ([A-Za-z0-9+/]+=*)$/.exec(line);
  if (!match || match[1] !== origin) return false;
  const bytes = Buffer.from(match[2] ?? "", "base64");
  if (bytes.length !== 4 + ED25519_SIGNATURE_BYTES || bytes.subarray(0, 4).toString("hex") !== keyId) return false;
  return verify(null, Buffer.from(body), publicKey, bytes.subarray(4));
}
