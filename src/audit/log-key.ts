// The log's key: an origin (the log's name) and a 32-byte Ed25519 seed. It lives in a 0600 file or in the environment,
// never in the database and never in argv. Both text forms are those of C2SP signed-note, so other tools read them.

import { createHash, createPrivateKey, createPublicKey, hkdfSync, type KeyObject, sign, verify } from "node:crypto";
import { badRequest } from "../errors.ts";
import type { SignerKey, VerifierKey } from "../tlog/note.ts";

export interface LogKey extends SignerKey {
  readonly seed: Uint8Array;
  /** HMAC key of the admission tags. Derived, so that the seed itself only ever signs. */
  readonly admissionKey: Uint8Array;
}

const ED25519 = 0x01;
/** DER headers of Ed25519 keys (RFC 8410 sections 4 and 7); seed or public key follow them. */
const PKCS8_HEADER = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_HEADER = Buffer.from("302a300506032b6570032100", "hex");

export function createLogKey(origin: string, seed: Uint8Array): LogKey {
  checkOrigin(origin);
  if (seed.length !== 32) throw badRequest("log key: the seed must be 32 bytes");
  const info = `deadletter/admit/v1\n${origin}`;
  const admissionKey = new Uint8Array(hkdfSync("sha256", seed, new Uint8Array(0), info, 32));
  const der = Buffer.concat([PKCS8_HEADER, seed]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return {
    ...createVerifierKey(origin, bytesOf(createPublicKey(privateKey))),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
    seed,
    admissionKey,
  };
}

/** `PRIVATE+KEY+origin+keyid+base64(0x01 || seed)`, as golang.org/x/mod/sumdb/note writes it. */
export function encodeLogKey(key: LogKey): string {
  const secret = Buffer.concat([Buffer.of(ED25519), key.seed]).toString("base64");
  return `PRIVATE+KEY+${key.origin}+${key.keyId}+${secret}`;
}

/** Throws bad_request, without repeating the secret, unless `text` is a whole and undamaged key. */
export function parseLogKey(text: string): LogKey {
  const match = /^PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text.trim());
  const bytes = Buffer.from(match?.[3] ?? "", "base64");
  if (!match || bytes.length !== 33 || bytes[0] !== ED25519)
    throw badRequest("log key: not a signed-note Ed25519 signer key", "make one with: deadletter log keygen");
  const key = createLogKey(match[1] ?? "", new Uint8Array(bytes.subarray(1)));
  if (key.keyId !== match[2]) throw badRequest("log key: its key id does not match its seed: the text is damaged");
  return key;
}

/** `origin+keyid+base64(0x01 || public key)` (C2SP signed-note). */
export function encodeVerifierKey({ origin, keyId, publicKey }: VerifierKey): string {
  return `${origin}+${keyId}+${Buffer.concat([Buffer.of(ED25519), publicKey]).toString("base64")}`;
}

/** Throws bad_request unless `text` is a whole and undamaged verifier key. */
export function parseVerifierKey(text: string): VerifierKey {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text.trim());
  const bytes = Buffer.from(match?.[3] ?? "", "base64");
  if (!match || bytes.length !== 33 || bytes[0] !== ED25519)
    throw badRequest("verifier key: not a signed-note Ed25519 verifier key", "deadletter log vkey prints a log's own");
  const key = createVerifierKey(match[1] ?? "", bytes.subarray(1));
  if (key.keyId !== match[2]) throw badRequest("verifier key: its key id does not match it: the text is damaged");
  return key;
}

function createVerifierKey(origin: string, publicBytes: Uint8Array): VerifierKey {
  checkOrigin(origin);
  const hash = createHash("sha256").update(`${origin}\n`).update(Buffer.of(ED25519)).update(publicBytes).digest();
  const der = Buffer.concat([SPKI_HEADER, publicBytes]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  return {
    origin,
    keyId: hash.subarray(0, 4).toString("hex"),
    publicKey: new Uint8Array(publicBytes),
    verify: (message, signature) => verify(null, message, key, signature),
  };
}

function bytesOf(publicKey: KeyObject): Uint8Array {
  return publicKey.export({ format: "der", type: "spki" }).subarray(-32);
}

function checkOrigin(origin: string): void {
  if (!/^[^\s+]{1,200}$/u.test(origin) || !/^[\x21-\x7e]+$/.test(origin))
    throw badRequest(`log origin ${JSON.stringify(origin)}: must be 1 to 200 visible ASCII characters without "+"`);
}
