// What every command prints with: data as JSON or in words, what was done, who has heard of it, and how far long work is.

import pc from "picocolors";
import { conflict } from "../errors.ts";
import type { Heard } from "../http/heard.ts";
import type { Input, Io } from "./command.ts";
import { printable, thousands } from "./text.ts";

/** Prints `value` as JSON, or as the lines that `people` would rather read. */
export function print(io: Io, input: Pick<Input, "isJson">, value: unknown, people: () => string): void {
  io.out(input.isJson ? `${JSON.stringify(value, null, 2)}\n` : people());
}

/** The same of what was done: with --quiet only JSON says it. */
export function printDone(
  io: Io,
  input: Pick<Input, "isJson" | "isQuiet">,
  value: unknown,
  people: () => string,
): void {
  if (input.isJson || !input.isQuiet) print(io, input, value, people);
}

/** Asks a person, who must say yes. Throws conflict otherwise. Only where input.mayAsk. */
export async function confirmed(question: string): Promise<void> {
  const { confirm, isCancel } = await import("@clack/prompts");
  const answer = await confirm({ message: question, initialValue: false });
  if (isCancel(answer) || !answer) throw conflict("nothing was changed");
}

/** Which replicas have heard of a change; nothing where the change did not wait for them. */
export function describeHeard(heard: Heard | undefined): string {
  if (heard === undefined) return "";
  if (heard.complete) return `heard by every replica (${heard.replicas})\n`;
  const missing = heard.missing.map(({ replica, state }) => `${printable(replica)} (${state})`);
  const who = missing.length === 0 ? "it is not in the log yet, which a server that runs writes" : missing.join(", ");
  return `${pc.yellow("not heard by every replica")}: ${who}\n`;
}

/** Progress for work that takes long: moving on a terminal, a line at each tenth elsewhere. Writes nothing but to `err`. */
export function progress(io: Io, label: string): { update: (done: number, total: number) => void; end: () => void } {
  let tenth = -1;
  let isShown = false;
  return {
    update(done, total) {
      const now = total === 0 ? 10 : Math.floor((done / total) * 10);
      if (now === tenth) return;
      tenth = now;
      isShown = true;
      const count = `${label} ${thousands(done)}/${thousands(total)}`;
      io.aside(io.isErrTerminal ? `\r${count}` : `${count}\n`);
    },
    end() {
      if (isShown && io.isErrTerminal) io.aside("\n");
    },
  };
}
