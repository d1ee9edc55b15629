// A change as a value: plain JSON of one schema a kind, and the one function that decides it. Pure.

import { DeadletterError, unauthorized } from "../errors.ts";
import type { KeyCommand } from "./key.ts";
import type { LinkCommand } from "./link.ts";
import { isAtLeast } from "./role.ts";
import {
  type CommandRule,
  type Context,
  type Decision,
  refuseUnfinalized,
  type Subject,
  type SubjectRow,
} from "./subject.ts";
import { SUBJECTS } from "./subjects.ts";
import type { UserCommand } from "./user.ts";

export type Command = LinkCommand | UserCommand | KeyCommand;

const RULES: ReadonlyMap<string, { readonly subject: Subject; readonly rule: CommandRule }> = new Map(
  SUBJECTS.flatMap((subject) =>
    Object.entries(subject.commands).map(([type, rule]) => [type, { subject, rule }] as const),
  ),
);

/** What a command is about, and its rule. */
export function ruleOf({ type }: Pick<Command, "type">): { readonly subject: Subject; readonly rule: CommandRule } {
  const found = RULES.get(type);
  if (!found) throw new Error(`there is no command ${type}`);
  return found;
}

/**
 * What becomes of a subject, null for one that is not there yet: its next row and what its event says, or null where nothing
 * changes. Throws DeadletterError, the refusal: unauthorized, forbidden, or a rule of the subject's own.
 */
export function decide(row: SubjectRow | null, command: Command, context: Context): Decision | null {
  const { subject, rule } = ruleOf(command);
  if (!context.isKeyLive) throw unauthorized("the key is not valid");
  if (!isAtLeast(context.caller.role, rule.needs))
    throw new DeadletterError("forbidden", `this needs a key of role ${rule.needs}; yours is ${context.caller.role}`);
  const decision = subject.decide(row, command, context);
  if (decision) refuseUnfinalized(subject, decision.next, context.generation);
  return decision;
}
