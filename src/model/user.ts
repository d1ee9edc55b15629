// The user: an owner of links and keys. Deactivated, never deleted. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { formatTime } from "./time.ts";

export const User = Type.Object(
  {
    id: Type.Integer(),
    username: Type.String(),
    email: Type.String(),
    is_active: Type.Boolean(),
    created_at: Type.String(),
    updated_at: Type.String(),
    version: Type.Integer(),
  },
  { $id: "User" },
);
export type User = Static<typeof User>;

export interface UserRow {
  readonly id: number;
  readonly username: string;
  readonly email: string;
  readonly is_active: number;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
  readonly version: number;
  readonly head: Uint8Array;
}

export function userFromRow(row: UserRow): User {
  return {
    id: row.id,
    username: row.username,
    email: row.email,
    is_active: row.is_active === 1,
    created_at: formatTime(row.created_at_ms),
    updated_at: formatTime(row.updated_at_ms),
    version: row.version,
  };
}

/** What an erased user is called. */
const ERASED_NAME = /^erased-\d+-[0-9a-f]{8}$/;

export function isErased({ username }: Pick<UserRow, "username">): boolean {
  return ERASED_NAME.test(username);
}

/** ASCII only, so that both engines fold case alike when they keep names unique. */
export function checkUsername(text: string): string {
  const username = text.trim();
  if (!/^[A-Za-z0-9._-]+$/.test(username) || username.length > LIMITS.usernameChars)
    throw badRequest(`username: must be 1 to ${LIMITS.usernameChars} characters of A-Z a-z 0-9 . _ -`);
  return username;
}

/** A deliverable-looking ASCII address: one @, something on both sides, no spaces (RFC 5321 leaves the rest to the receiver). */
export function checkEmail(text: string): string {
  const email = text.trim();
  if (!/^[\x21-\x3f\x41-\x7e]+@[A-Za-z0-9.-]+$/.test(email) || email.length > LIMITS.emailChars)
    throw badRequest(`email: must be an address such as ops@example.com, at most ${LIMITS.emailChars} characters`);
  return email;
}
