// Turns the key of a request into a caller, or refuses it. Runs before the body is read and before anything is validated.

import { timingSafeEqual } from "node:crypto";
import { DeadletterError } from "../errors.ts";
import { hashKey, isAtLeast, isKey, type Role } from "../model/key.ts";
import type { Caller } from "../operations/core.ts";
import { findKeyByHash } from "../store/queries/keys.ts";
import type { Exchange, Service } from "./service.ts";

/** Throws unauthorized without a live key, forbidden where its role is too small. */
export async function authorize(service: Service, request: Request, exchange: Exchange, needed: Role): Promise<Caller> {
  const caller = await authenticate(service, presentedKey(request), exchange.requestId);
  if (!isAtLeast(caller.role, needed))
    throw new DeadletterError("forbidden", `this needs a key of role ${needed}; yours is ${caller.role}`);
  return caller;
}

/** RFC 6750 section 2.1, or the X-Api-Key header that many clients have instead. */
function presentedKey(request: Request): string {
  const bearer = /^Bearer +([^\s]+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  return bearer ?? request.headers.get("x-api-key") ?? "";
}

async function authenticate(service: Service, presented: string, requestId: string): Promise<Caller> {
  const { operatorSecret, via, core } = service;
  if (presented === "") throw unauthorized("a key is needed: send Authorization: Bearer KEY");
  if (operatorSecret !== undefined && isSame(hashKey(presented), hashKey(operatorSecret)))
    return { userId: null, keyId: null, role: "admin", via, requestId };
  if (!isKey(presented)) throw unauthorized("the key is not valid");
  const hash = hashKey(presented);
  const [row] = await core.store.read((sql) => findKeyByHash(sql, hash));
  const nowMs = core.clock();
  const isLive =
    row !== undefined &&
    isSame(row.key_hash, hash) &&
    row.revoked_at_ms === null &&
    (row.expires_at_ms === null || row.expires_at_ms > nowMs) &&
    row.user_is_active === 1;
  // One answer for all of these: which of them it was is nobody's business without a key.
  if (!isLive) throw unauthorized("the key is not valid");
  return { userId: row.user_id, keyId: row.id, role: row.role as Role, via, requestId };
}

function unauthorized(message: string): DeadletterError {
  return new DeadletterError("unauthorized", message, { headers: { "www-authenticate": 'Bearer realm="deadletter"' } });
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
