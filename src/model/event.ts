// The audit event as the world sees it, its closed lists, and the changes derived from two states. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { cleanText } from "./text.ts";

export const SUBJECT_TYPES = ["url", "user", "key"] as const;
export type SubjectType = (typeof SUBJECT_TYPES)[number];

/** What can happen to a subject. Deleting a user deactivates it, deleting a key revokes it; only a user can be erased. */
export const EVENT_TYPES = ["created", "updated", "deleted", "restored", "imported", "erased"] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const DELETE_REASONS = ["user_requested", "policy_cleanup", "duplicate", "expired"] as const;
export type DeleteReason = (typeof DELETE_REASONS)[number];

/** The full audited state of a subject after an event: the noun itself, as JSON. */
export type State = Readonly<Record<string, unknown>>;

/** Who did it, through what, and why. A disclosure: it can be erased without breaking a proof. */
export interface Actor {
  readonly user_id: number | null;
  readonly key_id: number | null;
  /** The front door: `http`, `cli:uid-N` (the operator's user id on the host), `import:uid-N` or `serve`. */
  readonly via: string;
  readonly request_id: string | null;
  readonly reason: string | null;
  /** The client's address, where it was to be kept (DEADLETTER_AUDIT_CLIENT). */
  readonly client?: string;
}

export const Event = Type.Object(
  {
    id: Type.Integer(),
    subject: Type.String(),
    url_id: Type.Union([Type.Integer(), Type.Null()]),
    user_id: Type.Union([Type.Integer(), Type.Null()]),
    event_type: Type.String(),
    timestamp: Type.String(),
    details: Type.Record(Type.String(), Type.Unknown()),
    version: Type.Integer(),
    actor: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
    request_id: Type.Union([Type.String(), Type.Null()]),
    reason: Type.Union([Type.String(), Type.Null()]),
    leaf_hash: Type.String(),
  },
  { $id: "Event" },
);
export type Event = Static<typeof Event>;

export interface EventRow {
  readonly id: number;
  readonly subject_type: SubjectType;
  readonly subject_id: number;
  readonly version: number;
  readonly op: EventType;
  readonly at_ms: number;
  readonly leaf: Uint8Array;
  readonly leaf_hash: Uint8Array;
  readonly tag: Uint8Array;
  readonly actor: string | null;
  readonly state: string | null;
  readonly user_id: number | null;
}

/** Bookkeeping that every event moves; naming it as a change would say nothing. */
const NOT_A_CHANGE = new Set(["id", "created_at", "updated_at", "version", "legacy_history", "erasure"]);
/** Audited, but never shown. */
const HIDDEN = new Set(["key_hash"]);

export type Changes = Record<string, { from: unknown; to: unknown }>;

/** Field by field what differs between two states; every field of the first state reads as changed from null. */
export function changesBetween(before: State | null, after: State): Changes {
  const changes: Changes = {};
  for (const [field, to] of Object.entries(after)) {
    if (NOT_A_CHANGE.has(field) || HIDDEN.has(field)) continue;
    const from = before?.[field] ?? null;
    if (from !== to) changes[field] = { from, to };
  }
  return changes;
}

export function visibleState(state: State): State {
  return Object.fromEntries(Object.entries(state).filter(([field]) => !HIDDEN.has(field)));
}

export function checkDeleteReason(text: string | undefined): DeleteReason {
  const reason = text ?? "user_requested";
  if (!(DELETE_REASONS as readonly string[]).includes(reason))
    throw badRequest(`reason: a deletion's reason must be one of ${DELETE_REASONS.join(", ")}`);
  return reason as DeleteReason;
}

export function checkReason(text: string | undefined): string | null {
  if (text === undefined) return null;
  const reason = cleanText("reason", text, LIMITS.reasonChars);
  return reason === "" ? null : reason;
}
