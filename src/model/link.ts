// The link: what it is, which commands change it, and how each is decided. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { conflict, DeadletterError, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "./caller.ts";
import { checkCode, generateCode } from "./code.ts";
import { checkDeleteReason, checkReason } from "./event.ts";
import { flag, integer, optionalInteger, optionalTime, type RowOf, type State, schemaOf, text, time } from "./field.ts";
import { isAtLeast } from "./role.ts";
import { ExpiresAt, Id, Owner, Reason, strict } from "./schema.ts";
import {
  born,
  type Context,
  checkVersion,
  columns,
  type Decision,
  NOTHING,
  nextVersion,
  type SideTable,
  type Subject,
  stateFromRow,
} from "./subject.ts";
import { checkOriginalUrl, hostOf } from "./target.ts";
import { cleanText } from "./text.ts";
import { parseTime } from "./time.ts";
import { knownUser } from "./user.ts";

const fields = {
  id: integer({ isFixed: true }),
  short_code: text({ isFixed: true }),
  original_url: text(),
  title: text(),
  is_active: flag(),
  expires_at: optionalTime(),
  user_id: optionalInteger({ isFixed: true }),
  created_at: time({ isFixed: true }),
  updated_at: time(),
  version: integer(),
};

export const Link = schemaOf("Link", fields, {
  id: 42,
  short_code: "sale",
  original_url: "https://shop.example/sale",
  title: "Winter sale",
  is_active: true,
  expires_at: null,
  user_id: 1,
  created_at: "2026-11-26T09:30:00.000Z",
  updated_at: "2026-11-26T09:30:00.000Z",
  version: 1,
});
export type Link = Static<typeof Link>;
export type LinkRow = RowOf<typeof fields>;

export function linkFromRow(row: LinkRow): Link {
  return stateFromRow({ fields }, row) as Link;
}

const subject = { id: Id, if_version: Type.Optional(Type.Array(Type.Integer())) };

/** What a command that makes a link says of it, which is also the body of a request that does. */
export const NewLink = Type.Object(
  {
    original_url: Type.String({ description: `absolute http or https URL, at most ${LIMITS.urlBytes} bytes` }),
    title: Type.Optional(Type.String({ description: `at most ${LIMITS.titleChars} characters` })),
    short_code: Type.Optional(
      Type.String({ description: "3-64 of A-Za-z0-9_-, not all digits; generated when absent" }),
    ),
    expires_at: ExpiresAt,
    // Not Elysia's own integer, which would take the text "1" for the number.
    user_id: Type.Optional(Owner),
    reason: Reason,
  },
  strict,
);

/** What a command that changes a link says, which is also the body of a request that does. */
export const LinkEdit = Type.Object(
  {
    original_url: Type.Optional(Type.String()),
    title: Type.Optional(Type.String({ description: `at most ${LIMITS.titleChars} characters` })),
    expires_at: ExpiresAt,
    is_active: Type.Optional(Type.Literal(false, { description: "deletes the link; POST .../restore brings it back" })),
    reason: Reason,
  },
  strict,
);

const LinkCreate = Type.Object({ type: Type.Literal("link.create"), ...NewLink.properties }, strict);
const LinkUpdate = Type.Object({ type: Type.Literal("link.update"), ...subject, ...LinkEdit.properties }, strict);
const LinkDelete = Type.Object({ type: Type.Literal("link.delete"), ...subject, reason: Reason }, strict);
const LinkRestore = Type.Object({ type: Type.Literal("link.restore"), ...subject, reason: Reason }, strict);
/** A link as another program had it. Its old history is kept verbatim beside its state. */
const LinkImport = Type.Object(
  {
    type: Type.Literal("link.import"),
    id: subject.id,
    short_code: Type.String(),
    original_url: Type.String(),
    title: Type.String(),
    is_active: Type.Boolean(),
    user_id: subject.id,
    created_at: Type.String(),
    updated_at: Type.String(),
    legacy_history: Type.Array(Type.Record(Type.String(), Type.String())),
  },
  strict,
);

type LinkCreate = Static<typeof LinkCreate>;
type LinkUpdate = Static<typeof LinkUpdate>;
type LinkImport = Static<typeof LinkImport>;
/** The commands that change a link that is there. */
export type LinkChange = LinkUpdate | Static<typeof LinkDelete> | Static<typeof LinkRestore>;
export type LinkCommand = LinkCreate | LinkChange | LinkImport;

/** Which host each link leads to, so that the links to one are found without reading all of them. */
export const LINK_HOSTS: SideTable<LinkRow> = {
  table: "link_hosts",
  key: "url_id",
  columns: columns({ url_id: "integer", host: "text" }),
  generation: 2,
  rowsOf({ id, original_url }) {
    const host = hostOf(original_url);
    return host === null ? [] : [{ url_id: id, host }];
  },
};

export const LINK: Subject<LinkRow, LinkCommand> = {
  type: "url",
  noun: "link",
  nameColumn: "short_code",
  table: "urls",
  fields,
  events: ["created", "updated", "deleted", "restored", "imported"],
  beside: ["legacy_history"],
  sides: [LINK_HOSTS],
  commands: {
    "link.create": { schema: LinkCreate, needs: "creator", makes: "drawn" },
    "link.update": { schema: LinkUpdate, needs: "editor" },
    "link.delete": { schema: LinkDelete, needs: "editor" },
    "link.restore": { schema: LinkRestore, needs: "editor" },
    "link.import": { schema: LinkImport, needs: "admin", makes: "own" },
  },
  uniques: {
    urls_short_code_key: {
      column: "short_code",
      isFolded: false,
      refusal: (row) =>
        conflict(
          `short_code: "${(row as LinkRow).short_code}" is taken`,
          "a code is never reused, not even a deleted link's",
        ),
    },
  },
  isActive: ({ is_active }) => is_active === true,
  nameOf: ({ short_code }) => (typeof short_code === "string" ? short_code : undefined),
  counterOf: ({ is_active }) => (is_active === true ? "links:active" : "links:inactive"),
  show: (_, state) => state,
  mayReadDisclosure: () => true,
  around: (command) => ("user_id" in command && command.user_id !== undefined ? { users: [command.user_id] } : NOTHING),
  draw: (command, randomBytes) =>
    command.type === "link.create" && command.short_code === undefined ? generateCode(randomBytes) : "",
  check(command, caller, ownHosts) {
    if (command.type === "link.create") newLinkOf(command, caller, ownHosts);
    else if (command.type !== "link.import") checkLinkChange(command, ownHosts);
  },
  decide: decideLink,
};

function decideLink(row: LinkRow | null, command: LinkCommand, context: Context): Decision<LinkRow> | null {
  if (command.type === "link.create") return create(command, context);
  if (command.type === "link.import") return bringIn(command, context);
  const { changes, reason } = checkLinkChange(command, context.ownHosts);
  if (row === null) throw notFound(`no link ${command.id}`);
  checkVersion(command.if_version, "link", row.version);
  const next = nextVersion(row, changes, context);
  if (command.type === "link.restore") {
    if (row.is_active === 1) throw conflict(`link "${row.short_code}" is active already`);
    return { op: "restored", next, reason };
  }
  if (command.type === "link.delete") {
    if (row.is_active === 0) throw conflict(`link "${row.short_code}" is inactive already`);
    return { op: "deleted", next, reason };
  }
  if (row.is_active === 0) throw notFound(`link "${row.short_code}" is inactive`, "restore it first");
  const names = Object.keys(changes) as (keyof LinkRow)[];
  if (names.every((name) => changes[name] === row[name])) return null;
  return { op: changes.is_active === 0 ? "deleted" : "updated", next, reason };
}

/** What a command wants changed, whichever link it is about. Throws bad_request for what no link can be. */
export function checkLinkChange(command: LinkChange, ownHosts: ReadonlySet<string>) {
  const changes = changesOf(command, ownHosts);
  return { changes, reason: changes.is_active === 0 ? checkDeleteReason(command.reason) : checkReason(command.reason) };
}

function changesOf(command: LinkChange, ownHosts: ReadonlySet<string>): Partial<LinkRow> {
  if (command.type === "link.restore") return { is_active: 1 };
  if (command.type === "link.delete") return { is_active: 0 };
  const {
    type: _,
    id: __,
    if_version: ___,
    reason: ____,
    original_url,
    title,
    expires_at,
    is_active,
    ...unread
  } = command;
  // A member that is not read here would be accepted and dropped, so it does not compile.
  void (unread satisfies Record<string, never>);
  return {
    ...(original_url === undefined ? {} : { original_url: checkOriginalUrl(original_url, ownHosts) }),
    ...(title === undefined ? {} : { title: checkTitle(title) }),
    ...(expires_at === undefined ? {} : { expires_at_ms: expiryOf(expires_at) }),
    ...(is_active === undefined ? {} : { is_active: 0 }),
  };
}

/** Throws not_found for an owner who is none. That the code is taken is for the database to say. */
function create(command: LinkCreate, context: Context): Decision<LinkRow> {
  const { caller, ownHosts, drawn } = context;
  const { code, reason, ...fields } = newLinkOf(command, caller, ownHosts);
  const owner = fields.user_id;
  if (owner !== null && owner !== caller.userId && knownUser(context, owner)?.is_active !== 1)
    throw notFound(`user_id: there is no active user ${owner}`);
  return { op: "created", next: born({ ...fields, short_code: code ?? drawn.text }, context), reason };
}

/**
 * What a command says of a new link. Throws bad_request for a target, title, time, reason or code that breaks a rule, forbidden
 * when somebody but an admin names another owner.
 */
function newLinkOf(command: LinkCreate, caller: Caller, ownHosts: ReadonlySet<string>) {
  const fields = {
    original_url: checkOriginalUrl(command.original_url, ownHosts),
    title: checkTitle(command.title ?? ""),
    is_active: 1,
    expires_at_ms: expiryOf(command.expires_at),
    user_id: command.user_id ?? caller.userId,
  };
  if (fields.user_id !== caller.userId && !isAtLeast(caller.role, "admin"))
    throw new DeadletterError("forbidden", "user_id: only an admin may create a link for another user");
  const reason = checkReason(command.reason);
  return { ...fields, reason, code: command.short_code === undefined ? undefined : checkCode(command.short_code) };
}

/** The rules for its fields are the importer's: what another program allowed is kept as it is. */
function bringIn(command: LinkImport, context: Context): Decision<LinkRow> {
  const { type: _, legacy_history, is_active, created_at, updated_at, ...same } = command;
  if (knownUser(context, command.user_id) === undefined) throw notFound(`there is no user ${command.user_id}`);
  const next = {
    ...same,
    is_active: is_active ? 1 : 0,
    expires_at_ms: null,
    created_at_ms: parseTime("created_at", created_at),
    updated_at_ms: parseTime("updated_at", updated_at),
    version: 1,
  };
  return { op: "imported", next, reason: null, beside: { legacy_history } };
}

function expiryOf(text: string | null | undefined): number | null {
  return text == null ? null : parseTime("expires_at", text);
}

export function checkTitle(text: string): string {
  return cleanText("title", text, LIMITS.titleChars);
}

/** What a redirect needs of a link, as it was at a version. */
export type Destination = Pick<
  LinkRow,
  "id" | "short_code" | "original_url" | "is_active" | "expires_at_ms" | "version"
>;

/** The same out of a link's audited state; null where it is no link's. */
export function destinationFromState(state: State | null): Destination | null {
  const { id, short_code, original_url, is_active, expires_at = null, version } = state ?? {};
  if (typeof short_code !== "string" || typeof original_url !== "string") return null;
  return {
    id: Number(id),
    short_code,
    original_url,
    is_active: is_active === true ? 1 : 0,
    expires_at_ms: expires_at === null ? null : Date.parse(String(expires_at)),
    version: Number(version),
  };
}
