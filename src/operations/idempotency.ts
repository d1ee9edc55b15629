// Requests that may come again and must not be done twice (draft-ietf-httpapi-idempotency-key-header): what came of each is written
// in the transaction of its change, so that it is there exactly where the change is. Kept for LIMITS.idempotencyMs.

import { DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import type { Subject } from "../model/subject.ts";
import { SUBJECTS } from "../model/subjects.ts";
import {
  deleteIdempotencyKeys,
  deleteIdempotencyKeysBefore,
  type EarlierRequest,
  type IdempotencyRow,
  insertIdempotencyKeys,
  listEarlierRequests,
} from "../store/queries/idempotency.ts";
import type { Store, Tx } from "../store/store.ts";
import type { Ask, Idempotency, Outcome } from "./ask.ts";
import { readState } from "./events.ts";

/** As PostgreSQL names it; with the one writer of SQLite two requests do not meet. */
export const IDEMPOTENCY_CONSTRAINT = "idempotency_keys_pkey";

export function isIdempotencyKey(text: string): boolean {
  return /^[\x20-\x7e]+$/.test(text) && text.length <= LIMITS.idempotencyChars;
}

/** A key is its caller's own; nobody else's request meets it. `request` is all that must be the same the second time. */
export function idempotencyOf({ userId }: Caller, key: string, request: string): Idempotency {
  return {
    keyHash: Bun.SHA256.hash(`${userId ?? "operator"}\n${key}`, "base64url"),
    digest: Bun.SHA256.hash(request, "base64url"),
  };
}

/** What a transaction knows of requests that were carried out before, and what it adds. */
export class EarlierRequests {
  readonly #found = new Map<string, EarlierRequest>();
  readonly #expired: string[] = [];
  readonly #kept: IdempotencyRow[] = [];

  async read(tx: Tx, asks: readonly Ask[]): Promise<void> {
    const hashes = asks.flatMap(({ idempotency }) => idempotency?.keyHash ?? []);
    if (hashes.length === 0) return;
    for (const row of await listEarlierRequests(tx, hashes)) this.#found.set(row.key_hash, row);
  }

  /** What came of the same request before. Throws idempotency_mismatch where another one had the key. */
  find({ idempotency }: Ask, nowMs: number): Outcome | undefined {
    const earlier = idempotency && this.#found.get(idempotency.keyHash);
    if (!idempotency || !earlier) return undefined;
    if (earlier.at_ms <= nowMs - LIMITS.idempotencyMs) {
      this.#expired.push(earlier.key_hash);
      this.#found.delete(earlier.key_hash);
      return undefined;
    }
    if (earlier.digest !== idempotency.digest)
      throw new DeadletterError("idempotency_mismatch", "Idempotency-Key: it was used for another request", {
        hint: "use a key of its own for each request",
      });
    const subject = SUBJECTS.find(({ type }) => type === earlier.subject_type);
    const state = subject && readState(subject, earlier.state);
    if (!state)
      throw new DeadletterError(
        "conflict",
        "the request was carried out before; what came of it has been erased since",
      );
    return { state, isChanged: false, isRepeated: true };
  }

  keep(
    { idempotency }: Ask,
    { type }: Pick<Subject, "type">,
    { id, version }: { readonly id: number; readonly version: number },
    nowMs: number,
  ): void {
    if (!idempotency) return;
    const { keyHash, digest } = idempotency;
    const reference = { subject_type: type, subject_id: id, version };
    this.#kept.push({ key_hash: keyHash, digest, ...reference, at_ms: nowMs });
  }

  async write(tx: Tx): Promise<void> {
    if (this.#kept.length === 0) return;
    const gone = this.#expired.length > 0 ? deleteIdempotencyKeys(tx, this.#expired) : undefined;
    await Promise.all([gone, insertIdempotencyKeys(tx, this.#kept)]);
  }
}

/** Forgets those that are no longer kept. */
export async function forgetEarlierRequests(store: Store, nowMs: number): Promise<void> {
  const { idempotencyMs, idempotencySweepRows } = LIMITS;
  for (;;) {
    const gone = await store.begin((tx) =>
      deleteIdempotencyKeysBefore(tx, nowMs - idempotencyMs, idempotencySweepRows),
    );
    if (gone.length < idempotencySweepRows) return;
  }
}
