// The API key: a secret shown once, of which only the SHA-256 is kept, with a role. Pure.

import { createHash } from "node:crypto";
import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { cleanText } from "./text.ts";
import { formatOptionalTime, formatTime } from "./time.ts";

/** Each role may do all that the ones before it may. */
export const ROLES = ["reader", "creator", "editor", "admin"] as const;
export const Role = Type.Union(ROLES.map((role) => Type.Literal(role)));
export type Role = (typeof ROLES)[number];

export function isAtLeast(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

export const Key = Type.Object(
  {
    id: Type.Integer(),
    user_id: Type.Integer(),
    name: Type.String(),
    role: Type.Unsafe<Role>(Role),
    expires_at: Type.Union([Type.String(), Type.Null()]),
    revoked_at: Type.Union([Type.String(), Type.Null()]),
    created_at: Type.String(),
    updated_at: Type.String(),
    version: Type.Integer(),
  },
  { $id: "Key" },
);
export type Key = Static<typeof Key>;

/** What the audit log keeps of a key: also the hash, so that swapping it in the table is seen. Never shown. */
export type KeyState = Key & { readonly key_hash: string };

export interface KeyRow {
  readonly id: number;
  readonly user_id: number;
  readonly name: string;
  readonly role: string;
  readonly key_hash: string;
  readonly expires_at_ms: number | null;
  readonly revoked_at_ms: number | null;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
  readonly version: number;
  readonly head: Uint8Array;
}

export function keyStateFromRow(row: KeyRow): KeyState {
  return {
    id: row.id,
    user_id: row.user_id,
    name: row.name,
    role: row.role as Role,
    expires_at: formatOptionalTime(row.expires_at_ms),
    revoked_at: formatOptionalTime(row.revoked_at_ms),
    created_at: formatTime(row.created_at_ms),
    updated_at: formatTime(row.updated_at_ms),
    version: row.version,
    key_hash: row.key_hash,
  };
}

export function keyFromRow(row: KeyRow): Key {
  const { key_hash: _, ...key } = keyStateFromRow(row);
  return key;
}

/** `dl_` and 256 random bits in base64url: long enough that a plain SHA-256 of it cannot be searched. */
export function generateKey(randomBytes: (size: number) => Uint8Array): string {
  return `dl_${Buffer.from(randomBytes(32)).toString("base64url")}`;
}

export function isKey(text: string): boolean {
  return /^dl_[A-Za-z0-9_-]{32,200}$/.test(text);
}

/** The SHA-256 of the key's text, base64url: what the store holds and looks up. */
export function hashKey(key: string): string {
  return createHash("sha256").update(key).digest("base64url");
}

export function checkKeyName(text: string): string {
  const name = cleanText("name", text, LIMITS.keyNameChars);
  if (name === "") throw badRequest("name: must not be empty");
  return name;
}
