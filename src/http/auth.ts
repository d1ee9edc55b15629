// Turns the key of a request into a caller, or refuses it. Runs before the body is read and before anything is validated.

import { timingSafeEqual } from "node:crypto";
import { DeadletterError, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { hashKey, isAtLeast, isKey, type Role } from "../model/key.ts";
import type { Caller } from "../operations/core.ts";
import { findKeyByHash } from "../store/queries/keys.ts";
import { withDeadline } from "../store/store.ts";
import { customerOf } from "./client.ts";
import { clientOf, type Exchange, type Service, takeFrom } from "./service.ts";

/** Throws unauthorized without a live key, forbidden where its role is too small. */
export async function authorize(service: Service, request: Request, exchange: Exchange, needed: Role): Promise<Caller> {
  const caller = await authenticate(service, request, exchange.requestId).catch((error: unknown) => {
    // A good key is never kept waiting by whoever else sends bad ones from the same address.
    if (isRefusedKey(error) && presentedKey(request) !== "")
      takeFrom(service, "bad-keys", customerOf(clientOf(service, request)));
    throw error;
  });
  if (!isAtLeast(caller.role, needed))
    throw new DeadletterError("forbidden", `this needs a key of role ${needed}; yours is ${caller.role}`);
  if (!["GET", "HEAD"].includes(request.method))
    takeFrom(service, "changes", caller.keyId === null ? "" : `key ${caller.keyId}`);
  return service.clients.isAudited ? { ...caller, client: clientOf(service, request) } : caller;
}

function isRefusedKey(error: unknown): boolean {
  return error instanceof DeadletterError && error.code === "unauthorized";
}

/** RFC 6750 section 2.1, or the X-Api-Key header that many clients have instead. */
function presentedKey(request: Request): string {
  const bearer = /^Bearer +([^\s]+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  return bearer ?? request.headers.get("x-api-key") ?? "";
}

async function authenticate(service: Service, request: Request, requestId: string): Promise<Caller> {
  const { operatorSecret, via, core, keys, database } = service;
  const presented = presentedKey(request);
  if (presented === "") throw unauthorized("a key is needed: send Authorization: Bearer KEY");
  if (operatorSecret !== undefined && isSame(hashKey(presented), hashKey(operatorSecret)))
    return { userId: null, keyId: null, role: "admin", via, requestId };
  if (!isKey(presented)) throw unauthorized("the key is not valid");
  const hash = hashKey(presented);
  const nowMs = core.clock();
  const known = request.method === "GET" ? keys.recall(hash, nowMs) : undefined;
  // While the store does not answer, a key that was good lets its holder look, and do nothing.
  const reader: Caller | undefined = known && {
    userId: known.userId,
    keyId: known.keyId,
    role: "reader",
    via,
    requestId,
  };
  if (reader && database.isSilent) return reader;
  const { changes } = keys;
  const lookup = core.store.read((sql) => findKeyByHash(sql, hash));
  const late = () => unavailable("the database did not answer in time");
  const found = await (reader ? withDeadline(lookup, LIMITS.keyLateMs, late) : lookup).catch((error: unknown) => {
    if (reader && error instanceof DeadletterError && error.code === "unavailable") return reader;
    throw error;
  });
  if (!Array.isArray(found)) return found;
  const [row] = found;
  const isLive =
    row !== undefined &&
    isSame(row.key_hash, hash) &&
    row.revoked_at_ms === null &&
    (row.expires_at_ms === null || row.expires_at_ms > nowMs) &&
    row.user_is_active === 1;
  // One answer for all of these: which of them it was is nobody's business without a key.
  if (!isLive) {
    keys.forget(hash);
    throw unauthorized("the key is not valid");
  }
  keys.remember(hash, { userId: row.user_id, keyId: row.id, expiresAtMs: row.expires_at_ms }, changes);
  return { userId: row.user_id, keyId: row.id, role: row.role as Role, via, requestId };
}

function unauthorized(message: string): DeadletterError {
  return new DeadletterError("unauthorized", message, { headers: { "www-authenticate": 'Bearer realm="deadletter"' } });
}

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
