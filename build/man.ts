// Manual pages in section 1, from the commands and settings themselves (man-pages(7), groff_man(7)): deadletter(1) and one a command.

import packageJson from "../package.json" with { type: "json" };
import { COMMON, type Command } from "../src/cli/command.ts";
import { briefOf, EXIT_CODES, type Section, TOPICS } from "../src/cli/help.ts";
import { SETTINGS, type Setting } from "../src/config/settings.ts";

export interface ManualPage {
  /** Such as `deadletter-users-create.1`. */
  readonly file: string;
  readonly text: string;
}

export function manualPages(sections: readonly Section[]): readonly ManualPage[] {
  const commands = sections.flatMap((section) => section.commands).filter(({ isInternal }) => !isInternal);
  return [
    { file: "deadletter.1", text: programPage(sections) },
    ...commands.map((command) => ({ file: `${pageName(command)}.1`, text: commandPage(command) })),
  ];
}

function pageName({ name }: Command): string {
  return `deadletter-${name.replaceAll(" ", "-")}`;
}

function programPage(sections: readonly Section[]): string {
  return page("deadletter", [
    ".SH NAME",
    "deadletter \\- a URL shortener whose every change is in its audit log",
    ".SH SYNOPSIS",
    ".B deadletter",
    ".I COMMAND",
    "[\\fIflags\\fR]",
    ".SH DESCRIPTION",
    ...sentences(
      "Shortens, redirects, updates, soft-deletes and restores links. Every change is written, in the same transaction, to a signed, append-only audit log. Without DATABASE_URL the store is a SQLite file in the data directory.",
    ),
    ".PP",
    "Each command has a page of its own, such as",
    ".BR deadletter\\-shorten (1).",
    ...sections.flatMap(({ title, commands }) => [
      `.SH ${roff(title.toUpperCase())}`,
      ...commands
        .filter(({ isInternal }) => !isInternal)
        .flatMap((command) => [".TP", `.BR ${roff(pageName(command))} (1)`, roff(`${briefOf(command.summary)}.`)]),
    ]),
    ".SH SETTINGS",
    ...sentences(
      "A flag wins over the environment, which wins over the default. A profile (deadletter login) brings a server with its own key; the one called default is used where no server, no DATABASE_URL and no data directory is named.",
    ),
    ...SETTINGS.flatMap(settingLines),
    ".SH TIMES",
    ...topicLines("times"),
    ".SH OUTPUT",
    ...topicLines("output"),
    ".SH EXIT STATUS",
    `${roff(EXIT_CODES)}.`,
    ".SH FILES",
    ...[
      ["/etc/default/deadletter", "Settings of the service."],
      ["/var/lib/deadletter", "Its data directory: the embedded store, the remembered checkpoint, waiting clicks."],
      ["~/.config/deadletter/profiles.json", "Servers that deadletter login has kept."],
    ].flatMap(([path = "", text = ""]) => [".TP", `.I ${roff(path)}`, text]),
    ".SH SEE ALSO",
    "The documents in /usr/share/doc/deadletter.",
  ]);
}

function commandPage(command: Command): string {
  const { name, args, aliases = [], summary, flags, examples, settings } = command;
  const common = COMMON.filter((each) => !flags.some((flag) => flag.name === each.name));
  const own = SETTINGS.filter((setting) => settings.includes(setting.name));
  return page(pageName(command), [
    ".SH NAME",
    `${roff(pageName(command))} \\- ${roff(briefOf(summary))}`,
    ".SH SYNOPSIS",
    `.B ${roff(`deadletter ${name}`)}`,
    ...(args.length === 0 ? [] : [`.I ${roff(args.join(" "))}`]),
    "[\\fIflags\\fR]",
    ".SH DESCRIPTION",
    ...sentences(summary),
    ...(aliases.length === 0 ? [] : [".PP", `Also called ${roff(aliases.join(", "))}.`]),
    ".SH OPTIONS",
    ...[...flags, ...common].flatMap((flag) => [
      ".TP",
      `.BR ${roff(`--${flag.name}`)}${flag.value === undefined ? "" : ` " \\fI${roff(flag.value)}\\fR"`}`,
      roff(`${flag.help}.`),
    ]),
    ...(own.length === 0 ? [] : [".SH SETTINGS", ...own.flatMap(settingLines)]),
    ".SH EXAMPLES",
    ".nf",
    ...examples.map(roff),
    ".fi",
    ".SH EXIT STATUS",
    `${roff(EXIT_CODES)}.`,
    ".SH SEE ALSO",
    ".BR deadletter (1)",
  ]);
}

function page(name: string, lines: readonly string[]): string {
  // Reproducible Builds, SOURCE_DATE_EPOCH.
  const seconds = process.env.SOURCE_DATE_EPOCH;
  const date = new Date(seconds === undefined ? Date.now() : Number(seconds) * 1000).toISOString().slice(0, 10);
  const title = `.TH ${roff(name.toUpperCase())} 1 ${date} "deadletter ${packageJson.version}" "User Commands"`;
  return `${[title, ...lines].join("\n")}\n`;
}

function settingLines({ env, fileEnv, flag, help, default: fallback }: Setting): string[] {
  const names = [env, fileEnv, flag && `--${flag}`].filter((name) => name !== undefined && name !== "");
  return [
    ".TP",
    `.B ${names.map((name) => roff(String(name))).join(", ")}`,
    `${roff(help)}.${typeof fallback === "string" && fallback !== "" ? ` Default: ${roff(fallback)}.` : ""}`,
  ];
}

/** The paragraphs of a topic of help, filled anew. */
function topicLines(topic: "times" | "output"): string[] {
  const paragraphs = (TOPICS[topic]?.() ?? "").trim().split("\n\n");
  return paragraphs.flatMap((text, index) => [
    ...(index === 0 ? [] : [".PP"]),
    ...sentences(text.replaceAll("\n", " ")),
  ]);
}

/** A sentence a line, as roff wants them. */
function sentences(text: string): string[] {
  return text.split(/(?<=[.?!]) (?=[A-Z])/).map(roff);
}

/** What roff would take for its own: backslashes, hyphens, and a control character at the start of a line. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("~", "\\(ti")
    .replaceAll("^", "\\(ha")
    .replace(/^([.'])/, "\\&$1");
}
