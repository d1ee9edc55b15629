// The log's key: an origin (the log's name) and a 32-byte Ed25519 seed. It lives in a 0600 file or in the environment,
// never in the database and never in argv. The text form is the signer key of C2SP signed-note, so other tools read it.

import { createHash, createPrivateKey, createPublicKey, hkdfSync } from "node:crypto";
import { badRequest } from "../errors.ts";

export interface LogKey {
  /** The log's name, a schema-less URL such as `go.example.com/log`; also the key's name (C2SP tlog-checkpoint). */
  readonly origin: string;
  readonly seed: Uint8Array;
  /** HMAC key of the admission tags. Derived, so that the seed itself only ever signs. */
  readonly admissionKey: Uint8Array;
}

const ED25519 = 0x01;
/** DER header of a PKCS #8 Ed25519 private key (RFC 8410 section 7); the seed follows it. */
const PKCS8_HEADER = Buffer.from("302e020100300506032b657004220420", "hex");

export function createLogKey(origin: string, seed: Uint8Array): LogKey {
  if (!/^[^\s+]{1,200}$/u.test(origin) || !/^[\x21-\x7e]+$/.test(origin))
    throw badRequest(`log origin ${JSON.stringify(origin)}: must be 1 to 200 visible ASCII characters without "+"`);
  if (seed.length !== 32) throw badRequest("log key: the seed must be 32 bytes");
  const info = `deadletter/admit/v1\n${origin}`;
  const admissionKey = new Uint8Array(hkdfSync("sha256", seed, new Uint8Array(0), info, 32));
  return { origin, seed, admissionKey };
}

/** `PRIVATE+KEY+origin+keyid+base64(0x01 || seed)`, as golang.org/x/mod/sumdb/note writes it. */
export function encodeLogKey(key: LogKey): string {
  const secret = Buffer.concat([Buffer.of(ED25519), key.seed]).toString("base64");
  return `PRIVATE+KEY+${key.origin}+${keyId(key)}+${secret}`;
}

/** Throws bad_request, without repeating the secret, unless `text` is a whole and undamaged key. */
export function parseLogKey(text: string): LogKey {
  const match = /^PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text.trim());
  const bytes = Buffer.from(match?.[3] ?? "", "base64");
  if (!match || bytes.length !== 33 || bytes[0] !== ED25519)
    throw badRequest("log key: not a signed-note Ed25519 signer key", "make one with: deadletter log keygen");
  const key = createLogKey(match[1] ?? "", new Uint8Array(bytes.subarray(1)));
  if (keyId(key) !== match[2]) throw badRequest("log key: its key id does not match its seed: the text is damaged");
  return key;
}

/** The verifier key anybody may have: `origin+keyid+base64(0x01 || public key)` (C2SP signed-note). */
export function encodeVerifierKey(key: LogKey): string {
  return `${key.origin}+${keyId(key)}+${Buffer.concat([Buffer.of(ED25519), publicKey(key)]).toString("base64")}`;
}

/** First four bytes of SHA-256(origin || "\n" || 0x01 || public key), hex (C2SP signed-note). */
function keyId(key: LogKey): string {
  const hash = createHash("sha256")
    .update(`${key.origin}\n`)
    .update(Buffer.of(ED25519))
    .update(publicKey(key))
    .digest();
  return hash.subarray(0, 4).toString("hex");
}

function publicKey(key: LogKey): Uint8Array {
  const der = Buffer.concat([PKCS8_HEADER, key.seed]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32);
}
