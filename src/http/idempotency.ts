// The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header-07): a request that carries one may be sent again, and is
// carried out once.

import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Idempotency } from "../operations/ask.ts";
import { idempotencyOf, isIdempotencyKey } from "../operations/idempotency.ts";
import { callerOf } from "./exchange.ts";

/** Undefined without the header. `body` is all that the request says beside its path. Throws bad_request for a key that is none. */
export function readIdempotency(request: Request, body: unknown): Idempotency | undefined {
  const key = readIdempotencyKey(request);
  return key === undefined ? undefined : idempotencyFor(request, key, body);
}

/** Of a request, or of a row of one. */
export function idempotencyFor(request: Request, key: string, body: unknown): Idempotency {
  const { pathname } = new URL(request.url);
  return idempotencyOf(callerOf(request), key, `${request.method} ${pathname}\n${JSON.stringify(body)}`);
}

/** A string as RFC 8941 has it (section 3.3.3), in quotes; or the same without them. */
export function readIdempotencyKey(request: Request): string | undefined {
  const header = request.headers.get("idempotency-key")?.trim();
  if (header === undefined) return undefined;
  const key = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header)?.[1]?.replace(/\\(["\\])/g, "$1") ?? header;
  if (!isIdempotencyKey(key) || (key === header && key.includes('"')))
    throw badRequest(`Idempotency-Key: must be a string of 1 to ${LIMITS.idempotencyChars} visible ASCII characters`);
  return key;
}
