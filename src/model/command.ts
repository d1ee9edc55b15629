// A change as a value: plain JSON of one schema a kind, and the one function that decides it. Pure.

import type { TSchema } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { badRequest, DeadletterError, unauthorized } from "../errors.ts";
import type { Caller } from "./caller.ts";
import type { IncidentCommand } from "./incident.ts";
import type { KeyCommand } from "./key.ts";
import type { LinkCommand } from "./link.ts";
import type { LogCommand } from "./log.ts";
import { refuseUnfinalized } from "./mixed-releases.ts";
import { isAtLeast } from "./role.ts";
import { explainValue } from "./schema.ts";
import type { CommandRule, Context, Decision, Subject, SubjectRow } from "./subject.ts";
import { SUBJECTS } from "./subjects.ts";
import type { UserCommand } from "./user.ts";

export type Command = IncidentCommand | LinkCommand | UserCommand | KeyCommand | LogCommand;

const RULES: ReadonlyMap<string, { readonly subject: Subject; readonly rule: CommandRule }> = new Map(
  SUBJECTS.flatMap((subject) =>
    Object.entries(subject.commands).map(([type, rule]) => [type, { subject, rule }] as const),
  ),
);

/** What a command is about, and its rule. */
export function ruleOf({ type }: { readonly type: string }): { readonly subject: Subject; readonly rule: CommandRule } {
  const found = RULES.get(type);
  if (!found) throw new Error(`there is no command ${type}`);
  return found;
}

/**
 * Refuses a command that is not of its schema, or is wrong whatever it is about, before anything is locked for it. Throws
 * bad_request, or forbidden.
 */
export function checkCommand(
  command: { readonly type: string },
  caller: Caller,
  ownHosts: ReadonlySet<string>,
): asserts command is Command {
  const { subject, rule } = ruleOf(command);
  const schema = compiled(rule);
  const first = schema.Check(command) ? undefined : schema.Errors(command).First();
  if (first?.message === "Unexpected property")
    throw badRequest(`${nameOf(first.path)}: is no member of ${command.type}`);
  if (first) throw badRequest(`${command.type}.${nameOf(first.path)}: ${explainValue(first)}`);
  subject.check(command, caller, ownHosts);
}

/** Of a JSON pointer (RFC 6901): `tags.0`. */
function nameOf(path: string): string {
  return path.slice(1).replaceAll("/", ".");
}

/** Compiled when it is first asked for: importing a module does nothing. */
const COMPILED = new WeakMap<CommandRule, TypeCheck<TSchema>>();

function compiled(rule: CommandRule): TypeCheck<TSchema> {
  const known = COMPILED.get(rule) ?? TypeCompiler.Compile(rule.schema);
  COMPILED.set(rule, known);
  return known;
}

/** Throws unauthorized where the caller's key is not good, forbidden where its role does not do for the command. */
export function checkCaller(command: Command, { caller, isKeyLive }: Pick<Context, "caller" | "isKeyLive">): void {
  const { rule } = ruleOf(command);
  if (!isKeyLive) throw unauthorized("the key is not valid");
  if (!isAtLeast(caller.role, rule.needs))
    throw new DeadletterError("forbidden", `this needs a key of role ${rule.needs}; yours is ${caller.role}`);
}

/**
 * What becomes of a subject, null for one that is not there yet: its next row and what its event says, or null where nothing
 * changes. Throws DeadletterError, the refusal: unauthorized, forbidden, or a rule of the subject's own.
 */
export function decide(row: SubjectRow | null, command: Command, context: Context): Decision | null {
  const { subject } = ruleOf(command);
  checkCaller(command, context);
  const decision = subject.decide(row, command, context);
  if (decision) refuseUnfinalized(subject, row, decision.next, context.generation);
  return decision;
}
