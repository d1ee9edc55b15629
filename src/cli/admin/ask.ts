// The questions of the admin screen's forms (Clack's), outside the screen. What was typed is kept when something is wrong with it,
// and that is said before the next question.

import { autocomplete, confirm, intro, isCancel, log, note, select, text } from "@clack/prompts";
import { DeadletterError, messageOf } from "../../errors.ts";
import { printable } from "../text.ts";

/** Somebody pressed Escape or Ctrl-C in a form: back to the screen. */
export class Cancelled extends Error {}

export interface Question {
  readonly message: string;
  readonly initial?: string | undefined;
  readonly placeholder?: string;
  readonly isNeeded?: boolean;
  /** Throws what is wrong with it. May ask the server. */
  readonly check?: (answer: string) => unknown;
}

/** A line of text, trimmed. */
export async function askText({ message, initial, placeholder, isNeeded = false, check }: Question): Promise<string> {
  let typed = initial ?? "";
  for (;;) {
    typed = await answerOf(
      text({
        message,
        initialValue: typed,
        ...(placeholder === undefined ? {} : { placeholder }),
        validate: (value) => (isNeeded && (value ?? "").trim() === "" ? "this is needed" : undefined),
      }),
    ).then((answer) => ((answer as string | undefined) ?? "").trim());
    try {
      if (typed !== "") await check?.(typed);
      return typed;
    } catch (error) {
      sayWrong(error);
    }
  }
}

/** Why a change is made, which the audit log keeps; undefined where nobody says. */
export async function askReason(): Promise<string | undefined> {
  return (await askText({ message: "Reason", placeholder: "optional; kept in the audit log" })) || undefined;
}

export interface Choice<Value> {
  readonly value: Value;
  readonly label: string;
  readonly hint?: string;
}

export async function askChoice<Value extends string>(
  message: string,
  choices: readonly Choice<Value>[],
  initial?: Value,
): Promise<Value> {
  const options = choices.map(({ value, label, hint }) => ({
    value: value as string,
    label: printable(label),
    ...(hint === undefined ? {} : { hint: printable(hint) }),
  }));
  const initialValue = initial === undefined ? {} : { initialValue: initial as string };
  // Of many one is found by typing.
  const ask =
    options.length > MANY
      ? autocomplete({ message, options, maxItems: MANY, ...initialValue })
      : select({ message, options, ...initialValue });
  return (await answerOf(ask)) as Value;
}

const MANY = 9;

/** Throws Cancelled where the answer is no. */
export async function askWhether(message: string): Promise<void> {
  if (!(await answerOf(confirm({ message: printable(message), initialValue: false })))) throw new Cancelled();
}

export async function askYesNo(message: string, initialValue: boolean): Promise<boolean> {
  return answerOf(confirm({ message, initialValue }));
}

export function begin(title: string): void {
  intro(`${printable(title)} (Escape leaves it, and changes nothing)`);
}

/** For what must be read before it goes away. */
export async function showOnce(title: string, body: string): Promise<void> {
  note(body, title);
  // Whatever is answered: what it is about is done.
  await confirm({ message: "Go on?", initialValue: true });
}

/**
 * Asks until what was answered is taken, from `first` on. `ask` is given what was typed before and `send` sends it; what the
 * server refuses is said, and everything is asked again with the answers as they were typed.
 */
export async function untilTaken<Form extends object, Result>(
  ask: (typed: Partial<Form>) => Promise<Form>,
  send: (form: Form) => Promise<Result>,
  first: Partial<Form> = {},
): Promise<Result> {
  let typed = first;
  for (;;) {
    const form = await ask(typed);
    typed = form;
    try {
      return await send(form);
    } catch (error) {
      // Not even an answer that is lost loses what was typed.
      if (!(error instanceof DeadletterError)) throw error;
      // What may not be done is not done by typing something else.
      if (error.code === "forbidden" || error.code === "unauthorized") throw error;
      sayWrong(error);
    }
  }
}

export function sayHint(text: string): void {
  log.info(printable(text));
}

function sayWrong(error: unknown): void {
  const hint = error instanceof DeadletterError && error.hint !== undefined ? ` (${error.hint})` : "";
  log.error(printable(`${messageOf(error)}${hint}`));
}

async function answerOf<Value>(prompt: Promise<Value>): Promise<Exclude<Value, symbol>> {
  const answer = await prompt;
  if (isCancel(answer)) throw new Cancelled();
  return answer as Exclude<Value, symbol>;
}
