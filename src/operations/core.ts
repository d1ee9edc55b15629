// What every operation needs, who calls it, and the one way in which a change is made: state and event together.

import { appendEvent } from "../audit/append.ts";
import { sealEvent } from "../audit/event.ts";
import { DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { EventType, State, SubjectType } from "../model/event.ts";
import type { Role } from "../model/key.ts";
import { type Destination, destinationFromState } from "../model/link.ts";
import { isUniqueViolation, type Store, type Tx } from "../store/store.ts";
import type { LogKey } from "../tlog/log-key.ts";

export interface Core {
  readonly store: Store;
  readonly logKey: LogKey;
  readonly clock: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  /** Hosts (with port, where it is not the scheme's own) that answer redirects: a link to one of them is refused. */
  readonly ownHosts: () => ReadonlySet<string>;
  /** Why no change is taken now, where none is: the stored log was refused. */
  readonly writeRefusal: () => string | undefined;
  /** Called after a change is durably committed, before its caller is answered. */
  readonly onCommit: (changes: readonly Change[]) => void;
}

export interface Change {
  readonly type: SubjectType;
  readonly id: number;
  readonly op: EventType;
  readonly leafHash: Uint8Array;
  /** A link as it is now; null for everything else. */
  readonly link: Destination | null;
}

/** Who asks for a change, and through which door. */
export interface Caller {
  readonly userId: number | null;
  readonly keyId: number | null;
  readonly role: Role;
  readonly via: string;
  readonly requestId: string | null;
  /** Where the request came from, where events are to hold that. */
  readonly client?: string;
}

export interface Record<Row> {
  readonly type: SubjectType;
  readonly op: EventType;
  /** The subject's row after the change, complete but for its head. */
  readonly row: Omit<Row, "head"> & { readonly id: number; readonly version: number };
  /** The same as audited state. */
  readonly state: State;
  readonly atMs: number;
  /** The head before the change; null for a new subject. */
  readonly previousHead: Uint8Array | null;
  readonly reason: string | null;
  readonly write: (tx: Tx, row: Row) => Promise<unknown>;
}

/** One transaction on somebody's behalf, and what it has changed so far. */
export interface Work {
  readonly core: Core;
  readonly caller: Caller;
  readonly tx: Tx;
  readonly changes: Change[];
}

const REFUSED_HINT = {
  hint: "see deadletter log status; DEADLETTER_REFUSED_WRITES=allow takes changes all the same",
  headers: { "retry-after": "60" },
};

/** Runs a transaction whose changes are announced once they are committed, and not before. */
export async function mutate<T>(
  core: Core,
  caller: Caller,
  run: (work: Work) => Promise<T>,
  options: { readonly deadlineMs?: number } = {},
): Promise<T> {
  const refusal = core.writeRefusal();
  if (refusal !== undefined) throw new DeadletterError("unavailable", `no changes are taken: ${refusal}`, REFUSED_HINT);
  let committed: Change[] = [];
  const once = (tx: Tx) => {
    // A retried transaction starts its list anew.
    committed = [];
    return run({ core, caller, tx, changes: committed });
  };
  for (let attempt = 1; ; attempt++) {
    try {
      const result = await core.store.begin(once, options);
      if (committed.length > 0) core.onCommit(committed);
      return result;
    } catch (error) {
      // An id drawn before an import took it: the next draw gives a free one.
      const isIdTaken = isUniqueViolation(error, "events_subject_key");
      if (!isIdTaken || attempt === LIMITS.transactionRetries) throw error;
    }
  }
}

/** Writes a subject's row and the event that says so; the constraint that either breaks rejects both. */
export async function record<Row extends { readonly head: Uint8Array }>(
  work: Work,
  change: Record<Row>,
): Promise<void> {
  const { core, caller, tx, changes } = work;
  const { type, op, row, reason } = change;
  const event = sealEvent(
    core.logKey,
    {
      subjectType: type,
      subjectId: row.id,
      version: row.version,
      op,
      atMs: change.atMs,
      previousHash: change.previousHead,
      actor: {
        user_id: caller.userId,
        key_id: caller.keyId,
        via: caller.via,
        request_id: caller.requestId,
        reason,
        ...(caller.client === undefined || caller.client === "" ? {} : { client: caller.client }),
      },
      state: change.state,
    },
    core.randomBytes,
  );
  await appendEvent(tx, event, (head) => change.write(tx, { ...row, head } as unknown as Row));
  changes.push({ type, id: row.id, op, leafHash: event.leaf_hash, link: destinationFromState(change.state) });
}

/** The time of a subject's next event: the clock, but never before its last one, so that histories read in order. */
export function nextTime(core: Core, previous: { readonly updated_at_ms: number }): number {
  return Math.max(core.clock(), previous.updated_at_ms);
}

/** RFC 9110 section 13.1.1. `expected` holds the versions the caller will accept; undefined accepts any. */
export function checkPrecondition(expected: readonly number[] | undefined, version: number): void {
  if (expected !== undefined && !expected.includes(version))
    throw new DeadletterError("precondition_failed", `If-Match does not match: the current version is ${version}`, {
      hint: "read the link again and repeat the change on what it is now",
    });
}
