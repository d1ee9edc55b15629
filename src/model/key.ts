// The API key: a secret shown once, of which only the SHA-256 is kept, with a role. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, conflict, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { mayKnow, type Viewer } from "./caller.ts";
import { checkReason } from "./event.ts";
import { integer, optionalTime, type RowOf, type State, schemaOf, text, time, word } from "./field.ts";
import { isAtLeast, ROLES, type Role } from "./role.ts";
import { ExpiresAt, Id, Reason, strict } from "./schema.ts";
import {
  born,
  type Context,
  type Decision,
  nextVersion,
  type Stored,
  type Subject,
  stateFromRow,
  withoutHidden,
} from "./subject.ts";
import { cleanText } from "./text.ts";
import { parseTime } from "./time.ts";
import { knownUser } from "./user.ts";

const shown = {
  id: integer({ isFixed: true }),
  user_id: integer({ isFixed: true }),
  name: text({ isFixed: true }),
  role: word<Role>(ROLES, { isFixed: true }),
  expires_at: optionalTime({ isFixed: true }),
  revoked_at: optionalTime(),
  created_at: time({ isFixed: true }),
  updated_at: time(),
  version: integer(),
};

/** The hash is in the audit log as well, so that swapping it in the table is seen. */
const fields = { ...shown, key_hash: text({ isFixed: true, isHidden: true }) };

export const Key = schemaOf("Key", shown, {
  id: 3,
  user_id: 1,
  name: "laptop",
  role: "editor",
  expires_at: null,
  revoked_at: null,
  created_at: "2026-11-26T09:30:00.000Z",
  updated_at: "2026-11-26T09:30:00.000Z",
  version: 1,
});
export type Key = Static<typeof Key>;
/** With its secret: the only time anybody sees it. */
export const KeyWithSecret = Type.Object(
  { ...Key.properties, key: Type.String({ description: "the secret, shown this once" }) },
  { $id: "KeyWithSecret" },
);
export type KeyWithSecret = Static<typeof KeyWithSecret>;
export type KeyRow = RowOf<typeof fields>;
export type StoredKey = Stored<KeyRow>;

export function keyFromRow(row: KeyRow): Key {
  return keyOf(stateFromRow({ fields }, row));
}

/** A key's state without its hidden fields. */
export function keyOf(state: State): Key {
  return withoutHidden({ fields }, state) as Key;
}

/** Neither revoked nor expired. Whether its user is active is another question. */
export function isInForce(key: Pick<KeyRow, "revoked_at_ms" | "expires_at_ms">, nowMs: number): boolean {
  return key.revoked_at_ms === null && (key.expires_at_ms === null || key.expires_at_ms > nowMs);
}

/** What a request that makes a key says of it. */
export const NewKey = Type.Object(
  {
    name: Type.String({ description: `what it is for, 1 to ${LIMITS.keyNameChars} characters` }),
    role: fields.role.schema,
    expires_at: ExpiresAt,
    reason: Reason,
  },
  strict,
);
export type NewKey = Static<typeof NewKey>;

/** With the hash of a secret that only its holder is shown. */
const KeyCreate = Type.Object(
  { type: Type.Literal("key.create"), user_id: Id, key_hash: Type.String(), ...NewKey.properties },
  strict,
);
const KeyDelete = Type.Object({ type: Type.Literal("key.delete"), id: Id, user_id: Id, reason: Reason }, strict);

type KeyCreate = Static<typeof KeyCreate>;
type KeyDelete = Static<typeof KeyDelete>;
export type KeyCommand = KeyCreate | KeyDelete;

export const KEY: Subject<KeyRow, KeyCommand> = {
  type: "key",
  noun: "key",
  table: "keys",
  fields,
  events: ["created", "deleted"],
  beside: [],
  sides: [],
  commands: {
    "key.create": { schema: KeyCreate, needs: "admin", makes: "drawn" },
    "key.delete": { schema: KeyDelete, needs: "admin" },
  },
  uniques: {
    keys_key_hash_key: {
      column: "key_hash",
      isFolded: false,
      refusal: () => conflict("this key is in use already", "make another"),
    },
  },
  // A key is active until it is revoked; expiry is not an event.
  isActive: ({ revoked_at }) => revoked_at === null,
  nameOf: () => undefined,
  counterOf: () => undefined,
  show: (viewer, state) => (mayKnow(viewer, state.user_id) ? state : { ...state, name: `key ${state.id}` }),
  mayReadDisclosure: (viewer) => isAtLeast(viewer.role, "admin"),
  around: (command) =>
    command.type === "key.create"
      ? { lockedUsers: [command.user_id], keysOf: [command.user_id] }
      : { keysOf: [command.user_id], adminKeys: true },
  draw: () => "",
  check(command) {
    if (command.type === "key.delete") checkReason(command.reason);
  },
  decide: decideKey,
};

function decideKey(row: KeyRow | null, command: KeyCommand, context: Context): Decision<KeyRow> {
  return command.type === "key.create" ? create(command, context) : revoke(row, command, context);
}

/** Throws not_found for a missing or inactive user, conflict past LIMITS.keysPerUser live keys, bad_request. */
function create(command: KeyCreate, context: Context): Decision<KeyRow> {
  const { user_id, key_hash, role } = command;
  const user = knownUser(context, user_id);
  if (!user) throw notFound(`no user ${user_id}`);
  if (user.is_active === 0) throw notFound(`user "${user.username}" is inactive`);
  const live = knownKeys(context).filter((key) => key.user_id === user_id && key.revoked_at_ms === null);
  if (live.length >= LIMITS.keysPerUser)
    throw conflict(`a user has at most ${LIMITS.keysPerUser} keys`, "revoke one first");
  const expiresAtMs = command.expires_at == null ? null : parseTime("expires_at", command.expires_at);
  if (expiresAtMs !== null && expiresAtMs <= context.nowMs) throw badRequest("expires_at: must lie in the future");
  const fields = { user_id, name: checkKeyName(command.name), role, key_hash };
  const times = { expires_at_ms: expiresAtMs, revoked_at_ms: null };
  return { op: "created", next: born({ ...fields, ...times }, context), reason: checkReason(command.reason) };
}

/**
 * Throws not_found where the user has no such key, conflict where it is revoked already, and where no key of role admin would
 * be left to create another.
 */
function revoke(row: KeyRow | null, command: KeyDelete, context: Context): Decision<KeyRow> {
  const { id, user_id } = command;
  const reason = checkReason(command.reason);
  if (row === null || row.user_id !== user_id) throw notFound(`user ${user_id} has no key ${id}`);
  if (row.revoked_at_ms !== null) throw conflict(`key ${id} is revoked already`);
  const isLiveAdmin = (key: KeyRow) => key.role === "admin" && isInForce(key, context.nowMs);
  if (isLiveAdmin(row) && !knownKeys(context).some((key) => key.id !== id && isLiveAdmin(key)))
    throw conflict(
      "no key with role admin would be left",
      "first give somebody else one: deadletter users create --admin, or keys create USER-ID --role admin",
    );
  const next = nextVersion(row, {}, context);
  return { op: "deleted", next: { ...next, revoked_at_ms: next.updated_at_ms }, reason };
}

function knownKeys({ known }: Context): readonly KeyRow[] {
  return [...known.all("key")] as KeyRow[];
}

/** A key as somebody may see it; others know it by its owner and number, such as `ada (key 3)`. */
export function showKey(viewer: Viewer, key: Key, username: string): Key {
  return mayKnow(viewer, key.user_id) ? key : { ...key, name: `${username} (key ${key.id})` };
}

/** `dl_` and 256 random bits in base64url: long enough that a plain SHA-256 of it cannot be searched. */
export function generateKey(randomBytes: (size: number) => Uint8Array): string {
  return `dl_${Buffer.from(randomBytes(32)).toString("base64url")}`;
}

export function isKey(text: string): boolean {
  return /^dl_[A-Za-z0-9_-]{32,200}$/.test(text);
}

/** The SHA-256 of the key's text, base64url: what the store holds and looks up. */
export function hashKey(key: string): string {
  return Bun.SHA256.hash(key, "base64url");
}

export function checkKeyName(text: string): string {
  const name = cleanText("name", text, LIMITS.keyNameChars);
  if (name === "") throw badRequest("name: must not be empty");
  return name;
}
