// What a command is, and how its words become values: parsing, help text, and nothing that any one command does.

import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { parseVerifierKey } from "../audit/log-key.ts";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { SETTINGS, type SettingName } from "../config/settings.ts";
import { badRequest, messageOf } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { editDistance } from "../runtime/edit-distance.ts";
import type { VerifierKey } from "../tlog/note.ts";
import { printable } from "./text.ts";

export interface Flag {
  readonly name: string;
  /** Shown as the value's name in help; without it the flag is a switch. */
  readonly value?: string;
  readonly help: string;
  readonly isRepeatable?: boolean;
  /** Words that its value is one of. */
  readonly choices?: readonly string[];
  /** Another name that is taken, such as one that it had before. */
  readonly formerly?: string;
}

export interface Command {
  /** One word or two: `shorten`, `users create`. */
  readonly name: string;
  readonly summary: string;
  /** Started by the program itself: not in any help. */
  readonly isInternal?: boolean;
  /** What else it may be called. */
  readonly aliases?: readonly string[];
  /** Names of the words that follow, in order; those in brackets may be left out. */
  readonly args: readonly string[];
  /** Words that its argument is one of. */
  readonly choices?: readonly string[];
  /** Whether what follows is not looked at. */
  readonly takesAnyWords?: boolean;
  readonly flags: readonly Flag[];
  /** Settings whose flags this command takes, beside the environment that every command reads. */
  readonly settings: readonly SettingName[];
  readonly examples: readonly string[];
  readonly run: (input: Input, io: Io) => Promise<number>;
}

export interface Input extends LoadedConfig {
  /** All that followed the command's name, as it was typed. */
  readonly words: readonly string[];
  readonly args: readonly string[];
  /** The value of a flag of this command, or undefined. */
  readonly value: (flag: string) => string | undefined;
  /** All values of a flag that may be repeated. */
  readonly values: (flag: string) => readonly string[];
  /** Whether a switch is on; off by default and by --no-FLAG. */
  readonly isOn: (flag: string) => boolean;
  readonly isJson: boolean;
  /** --quiet: nothing but data and errors. */
  readonly isQuiet: boolean;
  /** Whether a person is there to be asked: false with --no-input. */
  readonly mayAsk: boolean;
  /** What the process is to return, where the command itself finds nothing wrong. */
  readonly endWith: (exitCode: number) => void;
  /** Says a line beside the data. */
  readonly note: (line: string) => void;
}

/** Data goes to `out`, everything else to `err`. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** To `err`, but for what --quiet leaves out: notes and progress. */
  readonly aside: (text: string) => void;
  /** Resolves once all of `out` has been taken; rejects when its reader is gone. For output that never ends. */
  readonly flush: () => Promise<void>;
  /** True where a person sits at both ends; prompts and moving progress are for them alone. */
  readonly isInteractive: boolean;
  readonly isErrTerminal: boolean;
  /** Columns of the terminal that `out` is; undefined where it is none: nothing is cut there. */
  readonly width: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Settings of every command that opens a store. */
export const STORE_SETTINGS = [
  "databaseUrl",
  "dataDir",
  "poolSize",
  "databaseDeadlineMs",
  "pgbouncer",
  "logKey",
] as const;
/** Settings of every command that is a client of the API. */
export const CLIENT_SETTINGS = [
  "server",
  "profile",
  "key",
  ...STORE_SETTINGS,
  "baseUrl",
  "ownHosts",
  "refusedWrites",
] as const;

/** Flags of more than one command. */
export const WAIT: Flag = {
  name: "wait",
  value: "SECONDS",
  help: `wait until every replica has heard of the change, at most ${LIMITS.feedWaitS}; says which have not`,
};
export const REASON: Flag = { name: "reason", value: "TEXT", help: "why; kept in the audit log" };

/** Of every command. */
export const COMMON: readonly Flag[] = [
  { name: "json", help: "print JSON, errors too" },
  { name: "quiet", help: "print data and errors alone: no notes, no progress" },
  { name: "no-input", help: "never ask" },
  { name: "help", help: "print this help" },
];

/** Throws bad_request for an unknown flag, a missing value, or too few or too many words. */
export function parseInput(command: Command, words: readonly string[], io: Io): Input | "help" {
  // What is asked by a shell must not fail for what somebody set, or typed so far.
  if (command.takesAnyWords)
    return { ...(parseInput({ ...command, takesAnyWords: false }, [], { ...io, environment: {} }) as Input), words };
  const settings = SETTINGS.filter((setting) => command.settings.includes(setting.name) && setting.flag !== undefined);
  const options: Record<string, { type: "string" | "boolean"; short?: string; multiple?: boolean }> = {};
  const former = new Map<string, string>();
  for (const { name, value, isRepeatable = false, formerly } of [...COMMON, ...command.flags]) {
    const option = { type: value === undefined ? ("boolean" as const) : ("string" as const), multiple: isRepeatable };
    // The parser reads --no-NAME as the negation of NAME.
    options[name.replace(/^no-/, "")] = option;
    if (formerly === undefined) continue;
    options[formerly] = option;
    former.set(name, formerly);
  }
  for (const { flag, isBoolean } of settings) options[flag ?? ""] = { type: isBoolean ? "boolean" : "string" };
  options.help = { type: "boolean", short: "h" };
  const { values, positionals } = parseWords(command, words, options);
  if (values.help) return "help";
  const least = command.args.filter((name) => !name.startsWith("[")).length;
  if (positionals.length < least)
    throw badRequest(
      `missing ${command.args[positionals.length]}${command.choices === undefined ? "" : `: ${command.choices.join(", ")}`}`,
      `see: deadletter ${command.name} --help`,
    );
  if (positionals.some((word) => /^dl_[\w-]{20,}$/.test(word)))
    throw badRequest(
      "a key does not belong on the command line, where every user of this host can read it",
      "put it into DEADLETTER_KEY, or give it to deadletter login",
    );
  if (positionals.length > command.args.length)
    throw badRequest(
      `unexpected ${JSON.stringify(positionals[command.args.length])}`,
      `see: deadletter ${command.name} --help`,
    );
  const flags = Object.fromEntries(
    settings.map(({ flag = "" }) => [flag, values[flag]]).filter(([, value]) => value !== undefined),
  );
  return {
    ...loadConfig(io.environment, flags as Record<string, string | boolean>),
    words,
    args: positionals,
    value: (flag) => (values[flag] ?? values[former.get(flag) ?? ""])?.toString(),
    values: (flag) => [values[flag] ?? values[former.get(flag) ?? ""] ?? []].flat().map(String),
    isOn: (flag) => values[flag] === true,
    isJson: values.json === true,
    isQuiet: values.quiet === true,
    mayAsk: io.isInteractive && values.input !== false,
    endWith: () => {},
    // What a server said may be in it.
    note: (line) => (values.quiet === true ? undefined : io.err(`deadletter: ${printable(line)}\n`)),
  };
}

function parseWords(
  command: Command,
  words: readonly string[],
  options: Record<string, { type: "string" | "boolean" }>,
) {
  try {
    return parseArgs({
      args: [...words],
      options: { ...options },
      allowPositionals: true,
      strict: true,
      allowNegative: true,
    });
  } catch {
    throw badRequest(explainWords(words, options), `see: deadletter ${command.name} --help`);
  }
}

/** The platform's parser says little; this names the word and what was probably meant. */
function explainWords(words: readonly string[], options: Record<string, { type: "string" | "boolean" }>): string {
  for (const word of words) {
    const [name = ""] = word.replace(/^--?/, "").split("=");
    if (!word.startsWith("-") || name in options || name.replace(/^no-/, "") in options || name === "h") continue;
    const near = Object.keys(options).find((other) => editDistance(other, name) <= 2);
    return `unknown flag --${name}${near === undefined ? "" : `; did you mean --${near}?`}`;
  }
  const bare = words.find((word) => options[word.slice(2)]?.type === "string");
  return bare === undefined ? "the flags cannot be read" : `${bare} needs a value`;
}

/** An object with the member, or without it where there is no value. */
export function given<Name extends string, Value>(name: Name, value: Value | undefined): Partial<Record<Name, Value>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, Value>);
}

/** What a word or a flag says, which may be given either way. Throws bad_request where both are. */
export function wordOrFlag(input: Input, index: number, flag: string): string | undefined {
  const [word, value] = [input.args[index], input.value(flag)];
  if (word !== undefined && value !== undefined)
    throw badRequest(`${JSON.stringify(word)} and --${flag} say two things: leave one out`);
  return word ?? value;
}

/** For commands that work on the store itself: who names a server as well must not be told of another store in silence. */
export function refuseServer({ config, origins }: Input, command: string, otherwise = ""): void {
  if (config.server === undefined) return;
  if (origins.server === "profile")
    throw badRequest(
      `${command} works on the store itself, and you are logged in to ${config.server}`,
      `run it on that server's host, or name a store here with --data-dir${otherwise}`,
    );
  const place = origins.server === "flag" ? "--server" : "DEADLETTER_SERVER";
  throw badRequest(
    `${command} works on the store itself, but ${place} names the server ${config.server}`,
    `unset ${place} for the store of this host${otherwise}`,
  );
}

/** Throws bad_request unless the text is a positive integer; undefined where there is none. */
export function readInteger(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw badRequest(`--${flag}: must be a positive integer`);
  return Number(text);
}

/** Throws bad_request unless --wait is a positive integer. */
export function readWait(input: Input): { readonly waitS?: number } {
  return given("waitS", readInteger("wait", input.value("wait")));
}

/** A verifier key as it is given on the command line: itself, or the file that holds it. */
export function readVerifierKey(text: string): VerifierKey {
  if (text.includes("+") || !existsSync(text)) return parseVerifierKey(text);
  try {
    return parseVerifierKey(readFileSync(text, "utf8"));
  } catch (error) {
    throw badRequest(`cannot use the verifier key in ${text}: ${messageOf(error)}`);
  }
}
