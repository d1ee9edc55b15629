// A text with the log's Ed25519 signature under it: C2SP signed-note. Pure.

import { bytesOfBase64 } from "./base64.ts";

/** Who signs, as anyone may know it, and the check of a signature: what runs it is the caller's choice. */
export interface VerifierKey {
  /** The log's name, a schema-less URL such as `go.example.com/log`; also the key's name (C2SP tlog-checkpoint). */
  readonly origin: string;
  /** First four bytes of SHA-256(origin || "\n" || 0x01 || public key), hex (C2SP signed-note). */
  readonly keyId: string;
  /** 32 bytes (RFC 8032). */
  readonly publicKey: Uint8Array;
  /** Ed25519 (RFC 8032 section 5.1.7). */
  readonly verify: (message: Uint8Array, signature: Uint8Array) => boolean;
}

export interface SignerKey extends VerifierKey {
  /** Ed25519 (RFC 8032 section 5.1.6): 64 bytes. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}

/** What must not be believed: a checkpoint, another note of the log's, or the tree they speak of. The message says why. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/** Longest text that is taken for a note, in characters: room for the signatures of many witnesses. */
const MAX_CHARS = 20_000;
const KEY_ID_BYTES = 4;
const ED25519_SIGNATURE_BYTES = 64;

/** `body` ends with a newline and has no empty line in it. */
export function signNote(key: SignerKey, body: string): string {
  const line = new Uint8Array(KEY_ID_BYTES + ED25519_SIGNATURE_BYTES);
  line.set(Uint8Array.fromHex(key.keyId));
  line.set(key.sign(new TextEncoder().encode(body)), KEY_ID_BYTES);
  return `${body}\n\u2014 ${key.origin} ${line.toBase64()}\n`;
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

function isSignature(line: string, body: string, { origin, keyId, verify }: VerifierKey): boolean {
  const match = /^\u2014 (\S+) ([A-Za-z0-9+/]+=*)$/.exec(line);
  if (!match || match[1] !== origin) return false;
  const bytes = bytesOfBase64(match[2] ?? "");
  if (bytes?.length !== KEY_ID_BYTES + ED25519_SIGNATURE_BYTES) return false;
  if (bytes.subarray(0, KEY_ID_BYTES).toHex() !== keyId) return false;
  return verify(new TextEncoder().encode(body), bytes.subarray(KEY_ID_BYTES));
}
