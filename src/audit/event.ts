// The bytes of an audit event: disclosures, leaf, leaf hash and admission tag. Pure; frozen: old events must verify for ever.
// Formats: RFC 9901 (disclosures), RFC 8785 (leaf bytes), RFC 6962 section 2.1 (leaf hash). Vectors are in test/audit/.

import { timingSafeEqual } from "node:crypto";
import type { Actor, EventRow, EventType } from "../model/event.ts";
import type { State } from "../model/field.ts";
import { formatTime } from "../model/time.ts";
import { sha256 } from "../runtime/sha256.ts";
import type { LogKey } from "./log-key.ts";

export const SALT_BYTES = 16;

export interface NewEvent {
  readonly subjectType: string;
  readonly subjectId: number;
  readonly version: number;
  readonly op: EventType;
  readonly atMs: number;
  /** Leaf hash of the subject's event before this one; null for its first. */
  readonly previousHash: Uint8Array | null;
  readonly actor: Actor;
  readonly state: State;
}

export type SealedEvent = Omit<EventRow, "id">;

/** Seals an event with two fresh salts. `randomBytes` must be cryptographically secure. */
export function sealEvent(key: LogKey, event: NewEvent, randomBytes: (size: number) => Uint8Array): SealedEvent {
  const actor = disclose("actor", event.actor, randomBytes(SALT_BYTES));
  const state = disclose("state", event.state, randomBytes(SALT_BYTES));
  const leaf = encodeLeaf(event, [digestOf(actor), digestOf(state)]);
  const leafHash = hashLeaf(leaf);
  return {
    subject_type: event.subjectType,
    subject_id: event.subjectId,
    version: event.version,
    op: event.op,
    at_ms: event.atMs,
    leaf,
    leaf_hash: leafHash,
    tag: tagOf(key, leafHash),
    actor,
    state,
    user_id: event.actor.user_id,
  };
}

/** The disclosure's text, kept verbatim for as long as it is kept: its digest is over these very bytes. */
export function disclose(name: "actor" | "state", value: unknown, salt: Uint8Array): string {
  return JSON.stringify([Buffer.from(salt).toString("base64url"), name, value]);
}

/** b64url(SHA-256(ASCII(b64url(disclosure)))) (RFC 9901 section 4.2.3). */
export function digestOf(disclosure: string): string {
  return Bun.SHA256.hash(Buffer.from(disclosure).toString("base64url"), "base64url");
}

/** What a disclosure says, or undefined where the text is not a disclosure of that name. */
export function readDisclosure(name: "actor" | "state", text: string): unknown {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) && parsed.length === 3 && parsed[1] === name ? parsed[2] : undefined;
  } catch {
    return undefined;
  }
}

export function actorOf(text: string | null): Actor | null {
  return text === null ? null : ((readDisclosure("actor", text) as Actor | undefined) ?? null);
}

export function stateOf(text: string | null): State | null {
  return text === null ? null : ((readDisclosure("state", text) as State | undefined) ?? null);
}

type LeafFields = Pick<NewEvent, "subjectType" | "subjectId" | "version" | "op" | "atMs" | "previousHash">;

const UTF8 = new TextEncoder();

/** JCS bytes. Every value is ASCII that needs no escape and every number a safe integer, so the text is canonical as it stands. */
export function encodeLeaf(event: LeafFields, digests: readonly [string, string]): Uint8Array {
  return UTF8.encode(leafText(event, digests));
}

/** Members in code-unit order, digests sorted (RFC 9901 section 4.2.4.1: their order must not tell which is which). */
function leafText(event: LeafFields, [one, two]: readonly [string, string]): string {
  const { subjectType, subjectId, version, op, atMs, previousHash } = event;
  const digests = one < two ? `"${one}","${two}"` : `"${two}","${one}"`;
  const previous = previousHash === null ? "null" : `"${Buffer.from(previousHash).toString("base64url")}"`;
  return (
    `{"_sd":[${digests}],"_sd_alg":"sha-256","at":"${formatTime(atMs)}","op":"${op}","prev":${previous},` +
    `"subject":"${subjectType}:${subjectId}","type":"deadletter/event/v1","v":${version}}`
  );
}

/** SHA-256(0x00 || leaf) (RFC 6962 section 2.1). */
export function hashLeaf(leaf: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + leaf.length);
  input.set(leaf, 1);
  return sha256(input);
}

/** HMAC-SHA256 under a key that is not in the database: a row inserted by SQL cannot carry it. */
export function tagOf(key: LogKey, leafHash: Uint8Array): Uint8Array {
  return new Uint8Array(new Bun.CryptoHasher("sha256", key.admissionKey).update(leafHash).digest());
}

/** A stored event with what its disclosures say, read once; null where one was erased or says nothing of its name. */
export interface OpenedEvent {
  readonly row: EventRow;
  readonly actor: Actor | null;
  readonly state: State | null;
}

export function openEvent(row: EventRow): OpenedEvent {
  return { row, actor: actorOf(row.actor), state: stateOf(row.state) };
}

/** Every way in which a stored event contradicts itself; empty for a true one. `previousHash` is of the version before. */
export function contradictionsOf(key: LogKey, opened: OpenedEvent, previousHash: Uint8Array | null): string[] {
  const { row, actor } = opened;
  const found: string[] = [];
  if (!isSame(hashLeaf(row.leaf), row.leaf_hash)) found.push("leaf hash is not the hash of the leaf");
  if (!isSame(tagOf(key, row.leaf_hash), row.tag))
    found.push("admission tag is false: the event was not written by this program");
  const text = LATIN1.decode(row.leaf);
  const claimed = claimedDigests(text);
  if (!areBorneOut(claimed, opened)) found.push("a disclosure does not match its digest in the leaf");
  const fields = {
    subjectType: row.subject_type,
    subjectId: row.subject_id,
    version: row.version,
    op: row.op,
    atMs: row.at_ms,
    previousHash,
  };
  const expected = leafText(fields, claimed);
  if (expected !== text) found.push(...differences(expected, text));
  if ((actor?.user_id ?? null) !== row.user_id) found.push("user_id is not the actor's");
  return found;
}

/** One character a byte: no two leaves read alike. */
const LATIN1 = new TextDecoder("latin1");

/** Whether what is left of the disclosures is what the leaf speaks of, each under its own name. An erased one fits any. */
function areBorneOut(claimed: readonly string[], { row, actor, state }: OpenedEvent): boolean {
  return (
    (row.actor === null || (actor !== null && claimed.includes(digestOf(row.actor)))) &&
    (row.state === null || (state !== null && claimed.includes(digestOf(row.state))))
  );
}

/** Where a leaf of ours has its two digests, 43 characters each: it begins `{"_sd":["...","..."],`. */
const DIGEST_CHARS = 43;

/** Two digests, whatever the leaf holds: one that is no leaf at all fails as not being the expected text. */
function claimedDigests(leaf: string): [string, string] {
  const [start, second] = [9, 9 + DIGEST_CHARS + 3];
  return [leaf.slice(start, start + DIGEST_CHARS), leaf.slice(second, second + DIGEST_CHARS)];
}

/** Says which members of the leaf the row's own columns, disclosures and predecessor do not bear out. */
function differences(expected: string, actual: string): string[] {
  const names: Record<string, string> = { prev: "prev is not the hash of the version before" };
  try {
    const want = JSON.parse(expected) as Record<string, unknown>;
    const have = JSON.parse(actual) as Record<string, unknown>;
    const fields = [...new Set([...Object.keys(want), ...Object.keys(have)])];
    const wrong = fields.filter((field) => JSON.stringify(want[field]) !== JSON.stringify(have[field]));
    return wrong.length === 0
      ? ["leaf bytes are not canonical"]
      : wrong.map((field) => names[field] ?? `${field} in the leaf is not the row's`);
  } catch {
    return ["leaf is not JSON"];
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
