// From words to a command to an exit code. Errors end here: one line that says what, one that says what to do next.

import { SETTINGS } from "../config/settings.ts";
import { badRequest, DeadletterError, ERROR_TABLE, messageOf } from "../errors.ts";
import { editDistance } from "../runtime/edit-distance.ts";
import { describeError } from "../runtime/logger.ts";
import { StoreError } from "../store/store.ts";
import { CheckpointError } from "../tlog/note.ts";
import { type Command, type Io, parseInput } from "./command.ts";
import { COMMANDS, SECTIONS } from "./commands.ts";
import { askFirstWords, isFirstRun } from "./first-run.ts";
import { groupHelp, helpFor, overview, TOPICS } from "./help.ts";
import { withProfile } from "./profiles.ts";
import { printable } from "./text.ts";

/** Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 not allowed, 6 verification failed, 7 unavailable. */
export async function runCommand(typed: readonly string[], io: Io): Promise<number> {
  const words = flagsLast(typed);
  try {
    if (words.length === 0 && isFirstRun(io)) return await runCommand(await askFirstWords(io), io);
    const [first = "--help"] = words;
    const topic = first === "help" ? TOPICS[words[1] ?? ""] : undefined;
    if (topic !== undefined) {
      io.out(topic());
      return 0;
    }
    if (first === "help" && words.length > 1) return await runCommand([...words.slice(1), "--help"], io);
    if (first === "--help" || first === "-h" || first === "help") {
      io.out(overview(SECTIONS));
      return 0;
    }
    const command = findCommand(["--version", "-v", "-V"].includes(first) ? ["version"] : words);
    if (command === undefined) {
      if (words.includes("--json"))
        throw badRequest(`missing COMMAND after ${first}`, `see: deadletter ${first} --help`);
      io.out(groupHelp(first, COMMANDS));
      return words.includes("--help") || words.includes("-h") ? 0 : 2;
    }
    const used = command.aliases?.includes(words[0] ?? "") ? 1 : command.name.split(" ").length;
    const parsed = parseInput(command, words.slice(used), io);
    if (parsed === "help") {
      io.out(helpFor(command));
      return 0;
    }
    const input = await withProfile(command, parsed, io.environment);
    let ending = 0;
    const endWith = (exitCode: number) => {
      ending = exitCode;
    };
    const exitCode = await command.run({ ...input, endWith }, input.isQuiet ? { ...io, aside: () => {} } : io);
    return exitCode || ending;
  } catch (error) {
    return explain(error, words.includes("--json"), io);
  }
}

/** Flags that stand before the command, such as --profile prod, behind it, where they are read. */
function flagsLast(words: readonly string[]): readonly string[] {
  let count = 0;
  while (words[count]?.startsWith("--")) {
    const [flag = "", value] = words[count]?.slice(2).split("=", 2) ?? [];
    const setting = SETTINGS.find((each) => each.flag === flag);
    count += setting !== undefined && !setting.isBoolean && value === undefined ? 2 : 1;
  }
  // By itself it is about the program.
  if (count === 0 || count >= words.length) return words;
  const [first = "", second = ""] = words.slice(count);
  const length = COMMANDS.some(({ name }) => name === `${first} ${second}`) ? 2 : 1;
  return [...words.slice(count, count + length), ...words.slice(0, count), ...words.slice(count + length)];
}

/** Undefined for the first word of a two-word command alone. Throws bad_request for what is no command at all. */
function findCommand(words: readonly string[]): Command | undefined {
  const [first = "", second = ""] = words;
  const found =
    COMMANDS.find(({ name }) => name === `${first} ${second}`) ??
    COMMANDS.find(({ name, aliases = [] }) => name === first || aliases.includes(first));
  if (found) return found;
  const group = COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
  if (group.length > 0 && (second === "" || second.startsWith("-"))) return undefined;
  const wanted = group.length > 0 ? `${first} ${second}` : first;
  const near = nearest([`${first} ${second}`, wanted, first]);
  throw badRequest(
    `unknown command ${JSON.stringify(wanted)}`,
    near === undefined ? "see: deadletter --help" : `did you mean ${near}?`,
  );
}

/** What other programs call it. */
const SYNONYMS: Readonly<Record<string, string>> = {
  create: "shorten",
  new: "shorten",
  remove: "delete",
  del: "delete",
  get: "show",
  undelete: "restore",
  search: "list TEXT",
  find: "list TEXT",
  log: "log status",
  start: "serve",
};

/** The command that was probably meant by one of these words, the likeliest first. */
function nearest(wanted: readonly string[]): string | undefined {
  const names = COMMANDS.filter(({ isInternal }) => !isInternal).map(({ name }) => name);
  for (const words of wanted) {
    const meant = SYNONYMS[words] ?? names.find((name) => editDistance(name, words) <= 2);
    if (meant !== undefined) return meant;
  }
  return undefined;
}

function explain(thrown: unknown, isJson: boolean, io: Io): number {
  const error = asOurs(thrown);
  // Commands are run by operators, so they are told the cause; HTTP clients are not.
  const cause = error?.cause === undefined ? "" : `: ${messageOf(error.cause)}`;
  // A server's own words, or a database's, may hold anything.
  const message = printable(error ? `${error.message}${cause}` : unexpected(thrown));
  if (isJson) {
    io.err(
      `${JSON.stringify({ error: error?.code ?? "internal_error", detail: message, ...(error?.hint ? { hint: error.hint } : {}) })}\n`,
    );
  } else {
    io.err(`deadletter: ${message}\n${error?.hint ? `  ${printable(error.hint)}\n` : ""}`);
  }
  return error ? ERROR_TABLE[error.code].exit : 1;
}

/** A checkpoint that must not be believed is a failed verification, whichever command met it. */
function asOurs(thrown: unknown): DeadletterError | undefined {
  if (thrown instanceof CheckpointError) return new DeadletterError("verification_failed", thrown.message);
  return thrown instanceof DeadletterError ? thrown : undefined;
}

function unexpected(thrown: unknown): string {
  if (thrown instanceof StoreError) return `the database refused: ${thrown.message}`;
  return `an unexpected error occurred: ${JSON.stringify(describeError(thrown))}`;
}
