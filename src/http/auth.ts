// Turns the key of a request into a caller, or refuses it. Runs before the body is read and before anything is validated.

import { DeadletterError, unauthorized, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { hashKey, isKey, type KeyRow } from "../model/key.ts";
import { isAtLeast, type Role } from "../model/role.ts";
import { findLiveKey, isSameText } from "../operations/keys.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { customerOf } from "./client.ts";
import { clientOf, type Exchange, takeFrom } from "./exchange.ts";
import type { Service } from "./service.ts";

/** Throws unauthorized without a live key, forbidden where its role is too small. */
export async function authorize(service: Service, request: Request, exchange: Exchange, needed: Role): Promise<Caller> {
  const caller = await authenticate(service, request, exchange).catch((error: unknown) => {
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

/** What answers without the store, and so must not wait for it to know a key. */
const WITHOUT_STORE: ReadonlySet<string> = new Set(["/metrics", "/stats"]);

/**
 * Routes whose one act is a command: apply() asks whether the key is good in its own transaction, so that one that was a moment ago
 * need not be asked about before that as well.
 */
const ASKING_THEMSELVES: ReadonlySet<string> = new Set([
  "POST /urls",
  "PUT /urls/:link",
  "PATCH /urls/:link",
  "DELETE /urls/:link",
  "POST /urls/:link/restore",
]);

async function authenticate(service: Service, request: Request, exchange: Exchange): Promise<Caller> {
  const { operatorSecret, via, core, keys, database } = service;
  const { requestId, route } = exchange;
  const presented = presentedKey(request);
  if (presented === "") throw unauthorized("a key is needed: send Authorization: Bearer KEY");
  if (operatorSecret !== undefined && isSameText(hashKey(presented), hashKey(operatorSecret)))
    return { userId: null, keyId: null, role: "admin", via, requestId };
  if (!isKey(presented)) throw unauthorized("the key is not valid");
  const hash = hashKey(presented);
  const heard = ASKING_THEMSELVES.has(`${request.method} ${route}`)
    ? keys.recallHeard(hash, core.clock.now())
    : undefined;
  if (heard) return { userId: heard.userId, keyId: heard.keyId, role: heard.role, via, requestId };
  const known = request.method === "GET" ? keys.recall(hash, core.clock.now()) : undefined;
  // While the store does not answer, a key that was good lets its holder look, and do nothing.
  const reader: Caller | undefined = known && {
    userId: known.userId,
    keyId: known.keyId,
    role: "reader",
    via,
    requestId,
  };
  const mayHurry = reader !== undefined && WITHOUT_STORE.has(route);
  if (mayHurry && database.isSilent) return reader;
  try {
    const lookup = lookUpKey(service, hash);
    const late = () => unavailable("the database did not answer in time");
    const row = await (mayHurry ? withDeadline(core.clock, lookup, { ms: LIMITS.keyLateMs, late }) : lookup);
    // One answer for all reasons: without a valid key you are not told which.
    if (!row) throw unauthorized("the key is not valid");
    return { userId: row.user_id, keyId: row.id, role: row.role, via, requestId };
  } catch (error) {
    if (reader && error instanceof DeadletterError && error.code === "unavailable") return reader;
    throw error;
  }
}

/** The key where it may be used now. Remembers or forgets what it finds, even after its caller has given up. */
async function lookUpKey({ core, keys }: Service, hash: string): Promise<KeyRow | undefined> {
  const { changes } = keys;
  const row = await findLiveKey(core, hash);
  if (row) {
    const { user_id: userId, id: keyId, role, expires_at_ms: expiresAtMs } = row;
    keys.remember(hash, { userId, keyId, role, expiresAtMs }, changes);
  } else keys.forget(hash);
  return row;
}
