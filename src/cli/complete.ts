// complete: what a shell may put in the place of the word that is being typed. The scripts of `completions` ask it; it never fails.

import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { SETTINGS } from "../config/settings.ts";
import { unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { systemClock } from "../runtime/clock.ts";
import { withDeadline } from "../runtime/deadline.ts";
import { type Client, connect } from "./client.ts";
import { CLIENT_SETTINGS, COMMON, type Command, type Flag, type Io } from "./command.ts";
import { briefOf, TOPICS } from "./help.ts";
import { readProfiles, withProfile } from "./profiles.ts";
import { collect, listLinks, listTags } from "./requests.ts";
import { printable } from "./text.ts";
import { listUsers } from "./user-requests.ts";

/** What can stand in a place: words that are known here, files, or names that the server has. */
type Kind = "codes" | "users" | "tags" | "profiles" | "files";

interface Candidate {
  readonly word: string;
  readonly help: string;
}

/** Of the placeholders in usage lines and flags. */
const KINDS: Readonly<Record<string, Kind>> = {
  LINK: "codes",
  "LINK-OR-FILE": "codes",
  CODE: "codes",
  USER: "users",
  TAG: "tags",
  FROM: "tags",
  FILE: "files",
  "FILE|-": "files",
  "FILE|URL": "files",
  DIR: "files",
};

interface Completion {
  readonly words: readonly Candidate[];
  readonly kind?: Kind | undefined;
}

/** `commands` is asked for when the command runs, since it is one of them. */
export function createCompleteCommand(commands: () => readonly Command[]): Command {
  return {
    name: "complete",
    summary: "What a shell may put in the place of the last word; asked by the scripts of completions.",
    isInternal: true,
    args: ["[WORDS]"],
    takesAnyWords: true,
    flags: [],
    settings: [],
    examples: [],
    async run(input, io) {
      const words = input.words[0] === "--" ? input.words.slice(1) : input.words;
      const { words: known, kind } = complete(words, commands());
      const named = await nameAll(kind, words, io);
      for (const { word, help } of [...known, ...named]) io.out(`${printable(word)}\t${printable(help)}\n`);
      if (kind === "files") io.out(":files\n");
      return 0;
    },
  };
}

/** The words that may stand in the place of the last of these. */
export function complete(words: readonly string[], commands: readonly Command[]): Completion {
  const shown = commands.filter(({ isInternal }) => !isInternal);
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const starting = (candidates: readonly Candidate[]) => candidates.filter(({ word }) => word.startsWith(current));
  const [first = "", second = ""] = before;
  if (before.length === 0) return { words: starting(firstWords(shown)) };
  if (first === "help")
    return { words: starting(before.length === 1 ? firstWords(shown) : secondWords(shown, second)) };
  const two = shown.find(({ name }) => name === `${first} ${second}`);
  const command = two ?? shown.find(({ name, aliases = [] }) => name === first || aliases.includes(first));
  const seconds = before.length === 1 ? starting(secondWords(shown, first)) : [];
  if (command === undefined) return { words: seconds };
  const typed = before.slice(two === undefined ? 1 : 2);
  const flags = flagsOf(command);
  const pending = flags.find(({ name, value }) => value !== undefined && typed.at(-1) === `--${name}`);
  if (pending !== undefined) return valuesOf(pending, starting);
  if (current.startsWith("-"))
    return { words: starting(flags.map(({ name, help }) => ({ word: `--${name}`, help: briefOf(help) }))) };
  const place = command.args[countArgs(typed, flags)];
  const name = place?.replace(/[[\]]/g, "") ?? "";
  return { words: [...seconds, ...starting(choices(command.choices ?? []))], kind: KINDS[name] };
}

function valuesOf(flag: Flag, starting: (candidates: readonly Candidate[]) => Candidate[]): Completion {
  const kind = flag.name === "profile" ? "profiles" : KINDS[flag.value ?? ""];
  return { words: starting(choices(flag.choices ?? [])), kind };
}

function choices(words: readonly string[]): readonly Candidate[] {
  return words.map((word) => ({ word, help: "" }));
}

/** How many of the words that were typed are no flags, nor values of one. */
function countArgs(typed: readonly string[], flags: readonly Flag[]): number {
  let count = 0;
  for (let index = 0; index < typed.length; index++) {
    const word = typed[index] ?? "";
    if (!word.startsWith("-")) count += 1;
    else if (flags.some(({ name, value }) => value !== undefined && word === `--${name}`)) index += 1;
  }
  return count;
}

function flagsOf(command: Command): readonly Flag[] {
  const settings = SETTINGS.filter(({ name, flag }) => flag !== undefined && command.settings.includes(name));
  return [
    ...command.flags,
    ...COMMON.filter(({ name }) => !command.flags.some((flag) => flag.name === name)),
    ...settings.map(({ flag = "", help, isBoolean = false }) => ({
      name: flag,
      help,
      ...(isBoolean ? {} : { value: flag.endsWith("dir") ? "DIR" : "VALUE" }),
    })),
  ];
}

/** Each once, with what the commands that begin so are about. */
function firstWords(commands: readonly Command[]): readonly Candidate[] {
  const groups = Map.groupBy(commands, ({ name }) => name.split(" ")[0] ?? "");
  const words = [...groups].map(([word, group]) => {
    const own = group.find(({ name }) => name === word);
    const help =
      own === undefined ? group.map(({ name }) => name.slice(word.length + 1)).join(", ") : briefOf(own.summary);
    return { word, help };
  });
  return [...words, { word: "help", help: `${Object.keys(TOPICS).join(", ")}, or a command` }];
}

function secondWords(commands: readonly Command[], first: string): readonly Candidate[] {
  return commands
    .filter(({ name }) => name.startsWith(`${first} `))
    .map(({ name, summary }) => ({ word: name.slice(first.length + 1), help: briefOf(summary) }));
}

/** Names that the server, or this host's store, has. None where it cannot be asked, or takes too long. */
async function nameAll(kind: Kind | undefined, words: readonly string[], io: Io): Promise<readonly Candidate[]> {
  if (kind === undefined || kind === "files") return [];
  const late = () => unavailable("the server takes too long");
  return withDeadline(systemClock, askNames(kind, words, io), { ms: LIMITS.completionMs, late }).catch(() => []);
}

async function askNames(kind: Kind, words: readonly string[], io: Io): Promise<readonly Candidate[]> {
  const current = words.at(-1) ?? "";
  if (kind === "profiles")
    return Object.entries(readProfiles(io.environment))
      .map(([word, { server }]) => ({ word, help: server }))
      .filter(({ word }) => word.startsWith(current));
  const client = await connect((await readSettings(words, io)).config);
  try {
    return (await readNames(client, kind, current)).filter(({ word }) => word.startsWith(current));
  } finally {
    await client.close();
  }
}

async function readNames(client: Client, kind: Kind, current: string): Promise<readonly Candidate[]> {
  const most = LIMITS.completionNames;
  if (kind === "tags")
    return (await collect(listTags(client, most))).map(({ tag, links }) => ({ word: tag, help: `${links} links` }));
  if (kind === "users")
    return (await collect(listUsers(client, most))).map(({ username, email }) => ({
      word: username,
      help: email ?? "",
    }));
  const links = await collect(listLinks(client, current === "" ? {} : { q: current }, most));
  return links.map(({ short_code, title, original_url }) => ({ word: short_code, help: title || original_url }));
}

/** The server or the store that the words before name. */
async function readSettings(words: readonly string[], io: Io): Promise<LoadedConfig> {
  const flags: Record<string, string> = {};
  for (const { name, flag } of SETTINGS) {
    const at = words.indexOf(`--${flag}`);
    const value = words[at + 1];
    if ((CLIENT_SETTINGS as readonly string[]).includes(name) && flag !== undefined && at !== -1 && value !== undefined)
      flags[flag] = value;
  }
  const loaded = { ...loadConfig(io.environment, flags), note: () => {} };
  return withProfile({ settings: CLIENT_SETTINGS }, loaded, io.environment);
}
