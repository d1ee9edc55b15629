// The audit event as the world sees it, who may see what of it, and its closed lists. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { mayKnow, type Viewer } from "./caller.ts";
import { cleanText } from "./text.ts";

/** What can happen to a subject; each kind has those in its definition. Deleting a user deactivates it, deleting a key revokes it. */
export const EVENT_TYPES = ["created", "updated", "deleted", "restored", "imported", "erased"] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const DELETE_REASONS = ["user_requested", "policy_cleanup", "duplicate", "expired"] as const;
export type DeleteReason = (typeof DELETE_REASONS)[number];

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
  readonly subject_type: string;
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

/** Who did something; from where is for admins and for whoever it was. */
export function showActor(viewer: Viewer, actor: Actor): Record<string, unknown> {
  const { user_id, key_id, via, client } = actor;
  const isShown = client !== undefined && mayKnow(viewer, user_id);
  return { user_id, key_id, via, ...(isShown ? { client } : {}) };
}

/** Whether the disclosure of an actor may be shown as it is. */
export function mayReadActor(viewer: Viewer, actor: Actor | null): boolean {
  return actor?.client === undefined || mayKnow(viewer, actor.user_id);
}
