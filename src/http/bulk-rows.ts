// A row of a bulk request, and the line of the answer to it: which command it is, or why it is none.

import { type TSchema, Type } from "@sinclair/typebox";
import { badRequest, DeadletterError, ERROR_TABLE, type ErrorCode } from "../errors.ts";
import type { Caller } from "../model/caller.ts";
import { isCode, isId } from "../model/code.ts";
import { checkCommand } from "../model/command.ts";
import type { State } from "../model/field.ts";
import type { Link } from "../model/link.ts";
import { wordOf } from "../model/schema.ts";
import { User } from "../model/user.ts";
import type { Ask, Result } from "../operations/ask.ts";
import { deactivateUser } from "../operations/deactivate.ts";
import { errorBody } from "./error.ts";
import { takeFrom } from "./exchange.ts";
import { idempotencyFor } from "./idempotency.ts";
import type { Replies } from "./route.ts";
import type { Row } from "./rows.ts";
import type { Service } from "./service.ts";
import { ChangedLink, showChangedLink } from "./shown-link.ts";

export const BULK_COMMANDS = ["create", "update", "delete", "restore"] as const;

/** What bulk rows are about. */
export interface BulkKind {
  /** The member that names one that is there, and that an answer has one under. */
  readonly noun: "link" | "user";
  readonly schema: TSchema;
  show(service: Service, state: State): unknown;
}

export const LINK_ROWS: BulkKind = {
  noun: "link",
  schema: ChangedLink,
  show: (service, state) => showChangedLink(service, state as Link),
};
export const USER_ROWS: BulkKind = { noun: "user", schema: User, show: (_, state) => state };

/** A line of the answer. */
function bulkAnswer({ noun, schema }: BulkKind) {
  const line = Type.Union([Type.Integer({ minimum: 1 }), Type.Null()], {
    description: "of the body, or the number of the element; null where it is about the request itself, which ends",
  });
  return Type.Union([
    Type.Object({
      line,
      status: Type.Integer(),
      repeated: Type.Optional(
        Type.Literal(true, { description: "an earlier request with the same Idempotency-Key did it" }),
      ),
      [noun]: schema,
    }),
    Type.Object({
      line,
      status: Type.Integer(),
      error: wordOf(Object.keys(ERROR_TABLE) as ErrorCode[]),
      detail: Type.String(),
    }),
  ]);
}

/** A row once read: a command for the batch, work outside of it (`alone`), or a refusal. */
export interface Read {
  readonly line: number;
  readonly status: number;
  readonly ask?: Ask;
  readonly alone?: () => Promise<State>;
  readonly refusal?: DeadletterError;
}

export interface Bulk {
  readonly service: Service;
  readonly request: Request;
  readonly caller: Caller;
  readonly kind: BulkKind;
  readonly key: string | undefined;
  readonly isDryRun: boolean;
}

export function readRow(bulk: Bulk, { line, value, refusal }: Row): Read {
  return orRefused(line, () => {
    if (refusal) throw refusal;
    return { line, ...commandOf(bulk, line, value) };
  });
}

/** Counts a row against its key's limit, as it is about to be carried out. */
export function admit({ service, caller }: Bulk, read: Read): Read {
  return orRefused(read.line, () => {
    takeFrom(service, "changes", caller.keyId === null ? "" : `key ${caller.keyId}`);
    return read;
  });
}

function orRefused(line: number, read: () => Read): Read {
  try {
    return read();
  } catch (error) {
    if (error instanceof DeadletterError) return { line, status: 0, refusal: error };
    throw error;
  }
}

/** `{command?, link? | user?, ...}`: the other members are those of the command. */
function commandOf(bulk: Bulk, line: number, value: unknown): Omit<Read, "line"> {
  const { service, caller, kind, isDryRun } = bulk;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw badRequest("a row must be an object");
  const { command: word = "create", [kind.noun]: named, if_version, ...members } = value as Record<string, unknown>;
  if (!(BULK_COMMANDS as readonly unknown[]).includes(word))
    throw badRequest(`command: must be one of ${BULK_COMMANDS.join(", ")}`);
  // They are the command's own words for what this row says by others.
  for (const name of ["type", "id"]) if (name in members) throw badRequest(`${name}: is not a member of a row`);
  // Each line of a request is one of its own.
  const idempotency = bulk.key === undefined ? undefined : idempotencyFor(bulk.request, `${bulk.key}\n${line}`, value);
  const type = `${kind.noun}.${word}`;
  if (word === "create") {
    if (named !== undefined) throw badRequest(`${kind.noun}: one that is made has no name yet`);
    const command = { type, ...members };
    checkCommand(command, caller, service.core.ownHosts());
    return { status: 201, ask: { caller, command, idempotency } };
  }
  const text = typeof named === "number" ? String(named) : named;
  if (typeof text !== "string" || !(isId(text) || (kind.noun === "link" && isCode(text))))
    throw badRequest(`${kind.noun}: must say which, by its id${kind.noun === "link" ? " or its code" : ""}`);
  const versions = if_version === undefined ? {} : { if_version: [if_version] };
  const id = isId(text) ? Number(text) : 1;
  // By its code only the transaction finds which it is.
  const command = { type, id, ...versions, ...members };
  checkCommand(command, caller, service.core.ownHosts());
  if (type === "user.delete") {
    if (isDryRun) throw badRequest("a dry run does not say what becomes of a user who is deactivated");
    const reason = members.reason as string | undefined;
    const why = reason === undefined ? {} : { reason };
    return { status: 200, alone: async () => (await deactivateUser(service.core, caller, id, why)).user };
  }
  return {
    status: 200,
    ask: { caller, command, name: isId(text) ? undefined : text, idempotency },
  };
}

export function lineOf({ kind, service }: Bulk, { line, status }: Read, result: Result): string {
  if ("refusal" in result) return refusalLine(line, result.refusal);
  const { state, isRepeated } = result.outcome;
  return `${JSON.stringify({ line, status, ...(isRepeated ? { repeated: true } : {}), [kind.noun]: kind.show(service, state) })}\n`;
}

export function refusalLine(line: number | null, refusal: DeadletterError): string {
  return `${JSON.stringify({ line, status: ERROR_TABLE[refusal.code].status, ...errorBody(refusal) })}\n`;
}

/** What a bulk route answers. */
export function bulkAnswers(kind: BulkKind): Replies {
  const schema = bulkAnswer(kind);
  return { 200: { description: "a line for each row, as NDJSON", schema, mediaType: "application/x-ndjson" } };
}
