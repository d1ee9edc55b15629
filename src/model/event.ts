// The audit event as the world sees it, who may see what of it, and its closed lists. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { mayKnow, type Viewer } from "./caller.ts";
import { nullable, Timestamp, wordOf } from "./schema.ts";
import { cleanText } from "./text.ts";

/** What can happen to a subject; each kind has those in its definition. Deleting a user deactivates it, deleting a key revokes it. */
export const EVENT_TYPES = ["created", "updated", "deleted", "restored", "imported", "erased"] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** What an event is known by beside its id: a subject has one of each version. */
export interface EventKey {
  readonly subject_type: string;
  readonly subject_id: number;
  readonly version: number;
}

/** `url:42@3`: of link 42 the event of version 3. */
export function eventNameOf({ subject_type, subject_id, version }: EventKey): string {
  return `${subject_type}:${subject_id}@${version}`;
}

/** Undefined for what is no event's name. */
export function parseEventName(text: string): EventKey | undefined {
  const [, subject_type = "", id, version] = /^([a-z]{1,20}):(\d{1,15})@(\d{1,15})$/.exec(text) ?? [];
  return id === undefined ? undefined : { subject_type, subject_id: Number(id), version: Number(version) };
}

export const DELETE_REASONS = ["user_requested", "policy_cleanup", "duplicate", "expired", "incident"] as const;
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

/** What happened, by kind of event; a release may add members. */
const Details = Type.Unsafe<Record<string, unknown>>(
  Type.Object(
    {
      changes: Type.Optional(
        Type.Record(Type.String(), Type.Object({ from: Type.Unknown(), to: Type.Unknown() }), {
          description: "each field that is not what it was",
        }),
      ),
      reason: Type.Optional(nullable(Type.String({ description: "of a deletion" }))),
      short_code: Type.Optional(Type.String()),
      original_url: Type.Optional(Type.String()),
      link: Type.Optional(Type.Unknown({ description: "created and imported: the whole link" })),
      user: Type.Optional(Type.Unknown({ description: "created and imported: the whole user" })),
      key: Type.Optional(Type.Unknown({ description: "created: the whole key, without its secret" })),
      log: Type.Optional(Type.Unknown({ description: "created: the log, which went back for the first time" })),
      erased: Type.Optional(
        Type.Unknown({ description: "true where the state was erased; else what this event erased" }),
      ),
      reverted_to: Type.Optional(
        Type.Integer({ description: "the version that an update or restoration returned to" }),
      ),
      legacy_history: Type.Optional(Type.Unknown({ description: "imported: what the former program had recorded" })),
    },
    { additionalProperties: true },
  ),
);

const ShownActor = Type.Unsafe<Record<string, unknown>>(
  Type.Object({
    user_id: nullable(Type.Integer()),
    key_id: nullable(Type.Integer()),
    via: Type.String({ description: "http, cli:uid-N, import:uid-N or serve" }),
    client: Type.Optional(Type.String({ description: "the client's address, where the server keeps it" })),
  }),
);

const eventMembers = {
  id: Type.Integer(),
  subject: Type.String({ description: "TYPE:ID, as the leaf names it" }),
  subject_name: nullable(Type.String({ description: "what it is called now: a link's code, a user's name, a key's" })),
  url_id: nullable(Type.Integer()),
  user_id: nullable(Type.Integer({ description: "who did it, not who owns the link" })),
  event_type: wordOf(EVENT_TYPES),
  timestamp: Timestamp,
  details: Details,
  version: Type.Integer({ description: "of the subject after this event; 1 is its first" }),
  actor: nullable(ShownActor),
  actor_name: nullable(
    Type.String({
      description: "who did it, as they are called now, with the key: `ada (laptop)`; null: it was erased",
    }),
  ),
  request_id: nullable(Type.String()),
  reason: nullable(Type.String()),
  leaf_hash: Type.String({ description: "base64url of SHA-256(0x00 || leaf), RFC 6962" }),
};
const eventExample = {
  id: 99,
  subject: "url:42",
  subject_name: "sale",
  url_id: 42,
  user_id: 1,
  event_type: "updated",
  timestamp: "2026-11-26T09:30:00.000Z",
  details: { changes: { title: { from: "", to: "Winter sale" } } },
  version: 2,
  actor: { user_id: 1, key_id: 3, via: "http" },
  actor_name: "ada (laptop)",
  request_id: "f2a1b7e0-5d0c-4b38-9a55-0c1de0a1b2c3",
  reason: null,
  leaf_hash: "mJz0Wq8l3kq2m0Yb1x0J3m5l2Qe7s0o9Q8b4p1c6d2E",
};

export const Event = Type.Object(eventMembers, { $id: "Event", examples: [eventExample] });
export type Event = Static<typeof Event>;

/** An event with its place in the log. */
export const LogEntry = Type.Object(
  { index: Type.Integer({ minimum: 0 }), ...eventMembers },
  { $id: "LogEntry", examples: [{ index: 98, ...eventExample }] },
);
export type LogEntry = Static<typeof LogEntry>;

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
