// The user: an owner of links and keys. Deactivated, never deleted. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, conflict, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { mayKnow, type Viewer } from "./caller.ts";
import { checkReason } from "./event.ts";
import { flag, integer, type RowOf, schemaOf, text, time } from "./field.ts";
import { Id, nullable, Reason, strict } from "./schema.ts";
import { born, type Context, type Decision, NOTHING, nextVersion, type Subject, stateFromRow } from "./subject.ts";
import { parseTime } from "./time.ts";

const fields = {
  id: integer({ isFixed: true }),
  username: text(),
  email: text(),
  is_active: flag(),
  created_at: time({ isFixed: true }),
  updated_at: time(),
  version: integer(),
};

export const User = schemaOf("User", fields, {
  id: 1,
  username: "ada",
  email: "ada@example.com",
  is_active: true,
  created_at: "2026-11-26T09:30:00.000Z",
  updated_at: "2026-11-26T09:30:00.000Z",
  version: 1,
});
export type User = Static<typeof User>;
export type UserRow = RowOf<typeof fields>;

export function userFromRow(row: UserRow): User {
  return stateFromRow({ fields }, row) as User;
}

const Username = Type.String({ description: `1 to ${LIMITS.usernameChars} ASCII characters, compared without case` });
const Email = Type.String({ description: "compared without case" });

/** What a command that makes a user says of it, which is also the body of a request that does. */
export const NewUser = Type.Object({ username: Username, email: Email, reason: Reason }, strict);
export type NewUser = Static<typeof NewUser>;

/** What a command that changes a user says, which is also the body of a request that does. */
export const UserEdit = Type.Object(
  { username: Type.Optional(Username), email: Type.Optional(Email), reason: Reason },
  strict,
);

const UserCreate = Type.Object({ type: Type.Literal("user.create"), ...NewUser.properties }, strict);
const UserUpdate = Type.Object({ type: Type.Literal("user.update"), id: Id, ...UserEdit.properties }, strict);
const UserDelete = Type.Object({ type: Type.Literal("user.delete"), id: Id, reason: Reason }, strict);
const UserRestore = Type.Object({ type: Type.Literal("user.restore"), id: Id, reason: Reason }, strict);
const DisclosureNames = Type.Array(Type.String());
/** Forgets who the user was. `actors` and `states` name the disclosures that go with it, as `url:42:3`. */
const UserErase = Type.Object(
  { type: Type.Literal("user.erase"), id: Id, actors: DisclosureNames, states: DisclosureNames, reason: Reason },
  strict,
);
const UserImport = Type.Object(
  {
    type: Type.Literal("user.import"),
    id: Id,
    username: Type.String(),
    email: Type.String(),
    created_at: Type.String(),
  },
  strict,
);

type UserUpdate = Static<typeof UserUpdate>;
type UserErase = Static<typeof UserErase>;
export type UserCommand =
  | Static<typeof UserCreate>
  | UserUpdate
  | Static<typeof UserDelete>
  | Static<typeof UserRestore>
  | UserErase
  | Static<typeof UserImport>;

const isTaken = () => conflict("username or email already exists");

export const USER: Subject<UserRow, UserCommand> = {
  type: "user",
  noun: "user",
  table: "users",
  fields,
  events: ["created", "updated", "deleted", "restored", "imported", "erased"],
  beside: ["erasure"],
  sides: [],
  commands: {
    "user.create": { schema: UserCreate, needs: "admin", makes: "drawn" },
    "user.update": { schema: UserUpdate, needs: "admin" },
    "user.delete": { schema: UserDelete, needs: "admin" },
    "user.restore": { schema: UserRestore, needs: "admin" },
    "user.erase": { schema: UserErase, needs: "admin" },
    "user.import": { schema: UserImport, needs: "admin", makes: "own" },
  },
  uniques: {
    users_username_key: { column: "username", isFolded: true, refusal: isTaken },
    users_email_key: { column: "email", isFolded: true, refusal: isTaken },
  },
  isActive: ({ is_active }) => is_active === true,
  nameOf: ({ username }) => (typeof username === "string" ? username : undefined),
  counterOf: () => undefined,
  show: (viewer, state) => (mayKnow(viewer, state.id) ? state : { ...state, email: null }),
  mayReadDisclosure: mayKnow,
  around: () => NOTHING,
  draw: (command, randomBytes) => (command.type === "user.erase" ? Buffer.from(randomBytes(4)).toString("hex") : ""),
  check(command) {
    if (command.type === "user.create") newUserOf(command);
    else if (command.type === "user.update") changesOf(command);
    if (command.type !== "user.import") checkReason(command.reason);
  },
  decide: decideUser,
};

function decideUser(row: UserRow | null, command: UserCommand, context: Context): Decision<UserRow> | null {
  if (command.type === "user.create") {
    return { op: "created", next: born(newUserOf(command), context), reason: checkReason(command.reason) };
  }
  if (command.type === "user.import") {
    const { id, username, email, created_at } = command;
    const createdAtMs = parseTime("created_at", created_at);
    const times = { created_at_ms: createdAtMs, updated_at_ms: createdAtMs };
    return { op: "imported", next: { id, username, email, is_active: 1, ...times, version: 1 }, reason: null };
  }
  const changes = command.type === "user.update" ? changesOf(command) : {};
  const reason = checkReason(command.reason);
  if (row === null) throw notFound(`no user ${command.id}`);
  if (command.type === "user.update") {
    if (row.is_active === 0) throw notFound(`user "${row.username}" is inactive`);
    const names = Object.keys(changes) as (keyof UserRow)[];
    if (names.every((name) => changes[name] === row[name])) return null;
    return { op: "updated", next: nextVersion(row, changes, context), reason };
  }
  if (command.type === "user.erase") return erase(row, command, context);
  if (command.type === "user.delete") {
    if (row.is_active === 0) throw conflict(`user "${row.username}" is inactive already`);
    return { op: "deleted", next: nextVersion(row, { is_active: 0 }, context), reason };
  }
  if (row.is_active === 1) throw conflict(`user "${row.username}" is active already`);
  if (isErased(row)) throw conflict(`user ${command.id} was erased`, "create a new one");
  return { op: "restored", next: nextVersion(row, { is_active: 1 }, context), reason };
}

function newUserOf({ username, email }: NewUser) {
  return { username: checkUsername(username), email: checkEmail(email), is_active: 1 };
}

/** Throws bad_request for what no user can be called. */
function changesOf({ username, email }: UserUpdate): Partial<UserRow> {
  return {
    ...(username === undefined ? {} : { username: checkUsername(username) }),
    ...(email === undefined ? {} : { email: checkEmail(email) }),
  };
}

/** Throws bad_request where callers would erase themselves, conflict where nothing is left to erase. */
function erase(row: UserRow, command: UserErase, context: Context): Decision<UserRow> {
  const { id, actors, states } = command;
  if (context.caller.userId === id) throw badRequest("you cannot erase yourself", "ask another admin");
  if (isErased(row) && actors.length === 0 && states.length === 0) throw conflict(`user ${id} is erased already`);
  const username = isErased(row) ? row.username : `erased-${id}-${context.drawn.text}`;
  const changes = { username, email: `${username}@erased.invalid`, is_active: 0 };
  return {
    op: "erased",
    next: nextVersion(row, changes, context),
    reason: checkReason(command.reason),
    beside: { erasure: { actors, states } },
  };
}

/** The user among those that the transaction knows. */
export function knownUser({ known }: Context, id: number): UserRow | undefined {
  return known.find("user", id) as UserRow | undefined;
}

/** A user as somebody may see it: without an email where that is none of theirs. */
export const VisibleUser = Type.Object(
  { ...User.properties, email: nullable(Type.String({ description: "null where it is none of the caller's" })) },
  { $id: "VisibleUser" },
);
export type VisibleUser = Static<typeof VisibleUser>;

export function showUser(viewer: Viewer, user: User): VisibleUser {
  return USER.show(viewer, user) as VisibleUser;
}

/** What an erased user is called. */
const ERASED_NAME = /^erased-\d+-[0-9a-f]{8}$/;

export function isErased({ username }: Pick<UserRow, "username">): boolean {
  return ERASED_NAME.test(username);
}

/** ASCII only, so that both engines fold case alike when they keep names unique. */
export function checkUsername(text: string): string {
  const username = text.trim();
  if (!/^[A-Za-z0-9._-]+$/.test(username) || username.length > LIMITS.usernameChars)
    throw badRequest(`username: must be 1 to ${LIMITS.usernameChars} characters of A-Z a-z 0-9 . _ -`);
  return username;
}

/** A deliverable-looking ASCII address: one @, something on both sides, no spaces (RFC 5321 leaves the rest to the receiver). */
export function checkEmail(text: string): string {
  const email = text.trim();
  if (!/^[\x21-\x3f\x41-\x7e]+@[A-Za-z0-9.-]+$/.test(email) || email.length > LIMITS.emailChars)
    throw badRequest(`email: must be an address such as ops@example.com, at most ${LIMITS.emailChars} characters`);
  return email;
}
