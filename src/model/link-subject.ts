// The link as a subject: what its commands need, what follows from it, and how each command is decided. Pure.

import { badRequest, conflict, DeadletterError, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "./caller.ts";
import { checkCode, generateCode } from "./code.ts";
import { checkDeleteReason, checkReason } from "./event.ts";
import { isSameValue, readTexts } from "./field.ts";
import {
  LINK_COMMANDS,
  LINK_FIELDS,
  type LinkAdopt,
  type LinkChange,
  type LinkCommand,
  type LinkCreate,
  type LinkHandOver,
  type LinkImport,
  type LinkRevert,
  type LinkRow,
  OPTIONS_GENERATION,
} from "./link.ts";
import { checkLinkRow, DEFAULT_OPTIONS, expiryOf, optionsOf } from "./link-options.ts";
import { LINK_HOSTS, LINK_TAGS, LINK_TARGETS } from "./link-sides.ts";
import { requireGeneration } from "./mixed-releases.ts";
import { isAtLeast } from "./role.ts";
import { born, type Context, checkVersion, type Decision, NOTHING, nextVersion, type Subject } from "./subject.ts";
import { replaceTag } from "./tags.ts";
import { checkOriginalUrl } from "./target.ts";
import { cleanText } from "./text.ts";
import { parseTime } from "./time.ts";
import { knownUser } from "./user.ts";

export const LINK: Subject<LinkRow, LinkCommand> = {
  type: "url",
  noun: "link",
  nameColumn: "short_code",
  table: "urls",
  fields: LINK_FIELDS,
  events: ["created", "updated", "deleted", "restored", "imported"],
  beside: ["legacy_history", "reverted_to", "imported_from"],
  sides: [LINK_HOSTS, LINK_TAGS, LINK_TARGETS],
  commands: {
    "link.create": { schema: LINK_COMMANDS.LinkCreate, needs: "creator", makes: "drawn" },
    // A creator may do these to links of its own: decideLink() knows whose it is.
    "link.update": { schema: LINK_COMMANDS.LinkUpdate, needs: "creator" },
    "link.delete": { schema: LINK_COMMANDS.LinkDelete, needs: "creator" },
    "link.restore": { schema: LINK_COMMANDS.LinkRestore, needs: "creator" },
    "link.revert": { schema: LINK_COMMANDS.LinkRevert, needs: "creator" },
    "link.retag": { schema: LINK_COMMANDS.LinkRetag, needs: "editor" },
    "link.take_down": { schema: LINK_COMMANDS.LinkTakeDown, needs: "editor" },
    "link.bring_back": { schema: LINK_COMMANDS.LinkBringBack, needs: "editor" },
    "link.hand_over": { schema: LINK_COMMANDS.LinkHandOver, needs: "admin" },
    "link.import": { schema: LINK_COMMANDS.LinkImport, needs: "admin", makes: "own" },
    "link.adopt": { schema: LINK_COMMANDS.LinkAdopt, needs: "admin", makes: "drawn" },
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
  mayChangeInactive: OPTIONS_GENERATION,
  nameOf: ({ short_code }) => (typeof short_code === "string" ? short_code : undefined),
  counterOf: ({ is_active }) => (is_active === true ? "links:active" : "links:inactive"),
  show: (_, state) => state,
  mayReadDisclosure: () => true,
  around(command) {
    if (!("user_id" in command) || command.user_id === undefined) return NOTHING;
    // Who is given a link must not be deactivated meanwhile.
    return command.type === "link.update" || command.type === "link.hand_over"
      ? { lockedUsers: [command.user_id] }
      : { users: [command.user_id] };
  },
  draw: (command, randomBytes) =>
    command.type === "link.create" && command.short_code === undefined ? generateCode(randomBytes) : "",
  check(command, caller, ownHosts) {
    if (command.type === "link.create") newLinkOf(command, caller, ownHosts);
    else if (command.type === "link.adopt") {
      newLinkOf(withoutPast(command), caller, ownHosts);
      parseTime("created_at", command.created_at);
      parseTime("updated_at", command.updated_at);
    } else if (command.type !== "link.import") checkLinkChange(command, ownHosts);
  },
  decide: decideLink,
};

function decideLink(row: LinkRow | null, command: LinkCommand, context: Context): Decision<LinkRow> | null {
  if (command.type === "link.create") return create(command, context);
  if (command.type === "link.import") return bringIn(command, context);
  if (command.type === "link.adopt") return adopt(command, context);
  const { changes, reason } = checkLinkChange(command, context.ownHosts);
  if (row === null) throw notFound(`no link ${command.id}`);
  checkOwner(row, context.caller);
  checkVersion(command.if_version, "link", row.version);
  const next = nextVersion(row, changes, context);
  if (command.type === "link.restore") {
    if (row.is_active === 1) throw conflict(`link "${row.short_code}" is active already`);
    // That an incident took it down says more than what it looks like.
    checkHolds({ ...next, incident_id: row.incident_id }, context);
    return { op: "restored", next, reason };
  }
  if (command.type === "link.bring_back") {
    if (row.incident_id !== command.incident_id)
      throw conflict(`link "${row.short_code}" is not down for incident ${command.incident_id}`);
    checkHolds(next, context, { but: command.incident_id });
    return { op: "restored", next, reason };
  }
  if (command.type === "link.delete" || command.type === "link.take_down") {
    if (row.is_active === 0) throw conflict(`link "${row.short_code}" is inactive already`);
    return { op: "deleted", next, reason };
  }
  if (command.type === "link.revert") return revert(row, command, context);
  if (command.type === "link.retag") {
    const tags = JSON.stringify(replaceTag(readTexts(row.tags), command.from, command.to));
    if (tags === row.tags) return null;
    checkTurned(row, { ...next, tags }, context);
    return { op: "updated", next: { ...next, tags }, reason };
  }
  if (command.type === "link.hand_over") {
    checkNextOwner(row, command, context);
    checkTurned(row, next, context);
    return row.user_id === command.user_id ? null : { op: "updated", next, reason };
  }
  if (row.is_active === 0) throw notFound(`link "${row.short_code}" is inactive`, "restore it first");
  if (command.user_id !== undefined) checkNextOwner(row, { user_id: command.user_id }, context);
  if (isSameContent(row, changes)) return null;
  checkLinkRow(next);
  if (next.original_url === row.original_url) checkTurned(row, next, context);
  else checkHolds(next, context);
  return { op: changes.is_active === 0 ? "deleted" : "updated", next, reason };
}

/** Throws conflict for a link that an open incident holds down; `but` is one that is not asked. */
function checkHolds(next: LinkRow, { heldBy }: Context, options: Parameters<Context["heldBy"]>[1] = {}): void {
  const incident = heldBy(next, options);
  if (incident !== undefined)
    throw conflict(`incident ${incident} holds links like this one down`, "until it is closed");
}

/** The same for one that comes to match by what is changed of it: its tags, or its owner. */
function checkTurned(row: LinkRow, next: LinkRow, context: Context): void {
  const isSame = next.tags === row.tags && next.user_id === row.user_id;
  if (isSame || next.is_active === 0) return;
  if (context.heldBy(next) !== context.heldBy(row)) checkHolds(next, context);
}

/** Throws forbidden where a creator would change what is another's. */
function checkOwner(row: LinkRow, { role, userId }: Caller): void {
  if (isAtLeast(role, "editor") || (userId !== null && row.user_id === userId)) return;
  throw new DeadletterError("forbidden", `link "${row.short_code}" is another user's: this needs a key of role editor`);
}

/** The user was locked: throws not_found unless it is active now, forbidden for an editor of somebody else's link. */
function checkNextOwner(row: LinkRow, { user_id }: Pick<LinkHandOver, "user_id">, context: Context): void {
  const { role, userId } = context.caller;
  if (row.user_id === user_id) return;
  if (!isAtLeast(role, "admin") && (userId === null || row.user_id !== userId))
    throw new DeadletterError("forbidden", "user_id: only a link's owner or an admin may hand it over");
  if (knownUser(context, user_id)?.is_active !== 1) throw notFound(`user_id: there is no active user ${user_id}`);
}

function isSameContent(row: LinkRow, changes: Partial<LinkRow>): boolean {
  const names = Object.keys(changes) as (keyof LinkRow)[];
  return names.every((name) => isSameValue(changes[name], row[name]));
}

/** What a command wants changed, whichever link it is about. Throws bad_request for what no link can be. */
export function checkLinkChange(command: LinkChange, ownHosts: ReadonlySet<string>) {
  const changes = changesOf(command, ownHosts);
  if (command.type === "link.take_down") return { changes, reason: "incident" };
  const reason = "reason" in command ? command.reason : undefined;
  return { changes, reason: changes.is_active === 0 ? checkDeleteReason(reason) : checkReason(reason) };
}

function changesOf(command: LinkChange, ownHosts: ReadonlySet<string>): Partial<LinkRow> {
  if (command.type === "link.restore" || command.type === "link.bring_back") return { is_active: 1, incident_id: null };
  if (command.type === "link.delete") return { is_active: 0 };
  if (command.type === "link.take_down") return { is_active: 0, incident_id: command.incident_id };
  if (command.type === "link.hand_over") return { user_id: command.user_id };
  if (command.type !== "link.update") return {};
  const { type: _, id: __, if_version: ___, reason: ____, original_url, title, expires_at, ...rest } = command;
  const { is_active, user_id, ...options } = rest;
  return {
    ...(original_url === undefined ? {} : { original_url: checkOriginalUrl(original_url, ownHosts) }),
    ...(title === undefined ? {} : { title: checkTitle(title) }),
    ...(expires_at === undefined ? {} : { expires_at_ms: expiryOf(expires_at) }),
    ...(is_active === undefined ? {} : { is_active: 0 }),
    ...(user_id === undefined ? {} : { user_id }),
    ...optionsOf(options),
  };
}

/**
 * A new version that says what an earlier one said; whose the link is stays as it is. Rules of today hold for what changes: a
 * target may be this server's own by now.
 */
function revert(row: LinkRow, command: LinkRevert, context: Context): Decision<LinkRow> | null {
  requireGeneration(OPTIONS_GENERATION, context.generation, "would not know of a version that it returns to");
  const { original_url, title, expires_at, ...options } = command.to;
  if (original_url !== row.original_url) checkOriginalUrl(original_url, context.ownHosts);
  const content = {
    original_url,
    title,
    expires_at_ms: expiryOf(expires_at),
    ...DEFAULT_OPTIONS,
    ...optionsOf(options),
  };
  if (row.is_active === 1 && isSameContent(row, content)) return null;
  const next = nextVersion(row, { ...content, is_active: 1 }, context);
  checkLinkRow(next);
  checkHolds({ ...next, incident_id: row.incident_id }, context);
  const op = row.is_active === 1 ? "updated" : "restored";
  return { op, next, reason: checkReason(command.reason), beside: { reverted_to: command.to_version } };
}

/** Throws not_found for an owner who is none. That the code is taken is for the database to say. */
function create(command: LinkCreate, context: Context): Decision<LinkRow> {
  const { caller, ownHosts, drawn } = context;
  const { code, reason, ...fields } = newLinkOf(command, caller, ownHosts);
  checkNewOwner(fields.user_id, context);
  const next = born({ ...fields, short_code: code ?? drawn.text }, context);
  checkHolds(next, context, { keyId: caller.keyId });
  return { op: "created", next, reason };
}

function checkNewOwner(owner: number | null, context: Context): void {
  if (owner !== null && owner !== context.caller.userId && knownUser(context, owner)?.is_active !== 1)
    throw notFound(`user_id: there is no active user ${owner}`);
}

/**
 * What a command says of a new link. Throws bad_request for a target, title, time, reason, option or code that breaks a rule,
 * forbidden when somebody but an admin names another owner.
 */
export function newLinkOf(command: LinkCreate, caller: Caller, ownHosts: ReadonlySet<string>) {
  const { type: _, original_url, title = "", short_code, expires_at, user_id, reason: said, ...options } = command;
  const fields = {
    original_url: checkOriginalUrl(original_url, ownHosts),
    title: checkTitle(title),
    is_active: 1,
    expires_at_ms: expiryOf(expires_at),
    user_id: user_id ?? caller.userId,
    ...DEFAULT_OPTIONS,
    ...optionsOf(options),
  };
  checkLinkRow(fields);
  if (fields.user_id !== caller.userId && !isAtLeast(caller.role, "admin"))
    throw new DeadletterError("forbidden", "user_id: only an admin may create a link for another user");
  const reason = checkReason(said);
  return { ...fields, reason, code: short_code === undefined ? undefined : checkCode(short_code) };
}

function withoutPast({ is_active, created_at, updated_at, imported_from, ...link }: LinkAdopt): LinkCreate {
  return { ...link, type: "link.create" };
}

/** By the rules for a new link, but for what has been: when it was made, and that it is inactive. */
function adopt(command: LinkAdopt, context: Context): Decision<LinkRow> {
  requireGeneration(OPTIONS_GENERATION, context.generation, "would not know where a link comes from");
  const { is_active, created_at, updated_at, imported_from } = command;
  const { code, reason, ...fields } = newLinkOf(withoutPast(command), context.caller, context.ownHosts);
  checkNewOwner(fields.user_id, context);
  const next = {
    ...born({ ...fields, short_code: code ?? "", is_active: is_active ? 1 : 0 }, context),
    created_at_ms: parseTime("created_at", created_at),
    updated_at_ms: parseTime("updated_at", updated_at),
  };
  if (next.created_at_ms > context.nowMs) throw badRequest("created_at: lies in the future");
  if (next.updated_at_ms > context.nowMs) throw badRequest("updated_at: lies in the future");
  if (is_active) checkHolds(next, context, { keyId: context.caller.keyId });
  return { op: "imported", next, reason, beside: { imported_from } };
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
    ...DEFAULT_OPTIONS,
  };
  if (is_active) checkHolds(next, context, { keyId: context.caller.keyId });
  return { op: "imported", next, reason: null, beside: { legacy_history } };
}

export function checkTitle(text: string): string {
  return cleanText("title", text, LIMITS.titleChars);
}
