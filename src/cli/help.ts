// Help: of the program, of a group of commands, of one command, and of what commands share. At most 80 columns wide. Pure.

import { SETTINGS } from "../config/settings.ts";
import { CLIENT_SETTINGS, COMMON, type Command } from "./command.ts";
import { wrapText } from "./text.ts";

const WIDTH = 80;
/** A name that is wider has its text on the lines below. */
const NAME_MOST = 26;

export interface Section {
  readonly title: string;
  readonly commands: readonly Command[];
}

export const EXIT_CODES =
  "0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 not allowed, 6 verification failed, 7 unavailable";

export function overview(sections: readonly Section[]): string {
  const lists = sections.map(({ title, commands }) => {
    const shown = commands.filter(({ isInternal }) => !isInternal);
    return shown.length === 0
      ? ""
      : `${title}:\n${columns(shown.map(({ name, summary }) => [name, briefOf(summary)]))}\n`;
  });
  return `deadletter: a URL shortener whose every change is in its audit log.

Usage: deadletter COMMAND [flags]

First steps, with a key of your own:
  deadletter login https://go.example.com
  deadletter shorten https://example.com/ --code hello
  deadletter list --mine
  deadletter admin

${lists.join("")}${paragraph(
  "Every command takes --json, --quiet, --no-input and --help. deadletter help COMMAND says more of one, and so do help settings, help times and help output. Without DATABASE_URL the store is a SQLite file in ./data.",
)}
${paragraph(`Exit codes: ${EXIT_CODES}.`)}`;
}

/** The first clause of a summary. */
export function briefOf(summary: string): string {
  return summary.split(/[.:;](?: |$)/)[0] ?? summary;
}

export function groupHelp(group: string, commands: readonly Command[]): string {
  const own = commands.filter(({ name, isInternal }) => !isInternal && name.startsWith(`${group} `));
  return `Usage: deadletter ${group} COMMAND [flags]\n\nCommands:\n${columns(own.map(({ name, summary }) => [name, briefOf(summary)]))}`;
}

export function helpFor(command: Command): string {
  const common = COMMON.filter(({ name }) => !command.flags.some((flag) => flag.name === name));
  const flags = [...command.flags, ...common].map(({ name, value, help }): [string, string] => [
    `--${name}${value ? ` ${value}` : ""}`,
    help,
  ]);
  const shared: readonly string[] = CLIENT_SETTINGS;
  const settings = SETTINGS.filter(({ name }) => command.settings.includes(name));
  const own = settings.filter(({ name }) => !shared.includes(name));
  const sharedFlags = settings.filter(({ name, flag }) => shared.includes(name) && flag !== undefined);
  return [
    paragraph(command.summary),
    paragraph(`Usage: deadletter ${[command.name, ...command.args].join(" ")} [flags]`),
    `Examples:\n${command.examples.map((example) => exampleLines(example)).join("")}`,
    `Flags:\n${columns(flags)}`,
    ...(own.length === 0 ? [] : [`Settings:\n${settingColumns(own)}`]),
    ...(sharedFlags.length === 0
      ? []
      : [
          paragraph(
            `Also ${sharedFlags.map(({ flag }) => `--${flag}`).join(", ")}, and the environment: see deadletter help settings.`,
          ),
        ]),
  ].join("\n");
}

type Settings = readonly (typeof SETTINGS)[number][];

function settingColumns(settings: Settings): string {
  return columns(
    settings.map((setting): [string, string] => [
      setting.flag === undefined ? "(no flag)" : `--${setting.flag}`,
      `${setting.help} [${[setting.env, setting.fileEnv].filter((name) => name !== undefined).join(" or ")}${typeof setting.default === "string" && setting.default !== "" ? `, default ${setting.default}` : ""}]`,
    ]),
  );
}

/** What help says beside the commands, by its word. */
export const TOPICS: Readonly<Record<string, () => string>> = {
  settings: () =>
    `${paragraph(
      "Settings. A flag wins over the environment, which wins over the default. A profile (deadletter login) brings a server with its own key; the one called default is used where no server, no DATABASE_URL and no data directory is named. Secrets have no flag: they go into the environment, or into a file that NAME_FILE names. deadletter config prints what holds.",
    )}\n${settingColumns(SETTINGS)}`,
  times: () =>
    `${[
      "Times are RFC 3339 (2026-12-01T18:00:00Z), a date (2026-12-01: its first moment here), how long from now or ago (7d, 90min, 1h ago), or plain English (tomorrow 18:00, next monday, in two weeks).",
      "What was read, in which time zone, is said before anything is done. Your zone is the TZ variable's, else this host's. 1.12.2026 and 1/12/2026 are refused: they are two days, depending on who reads.",
    ]
      .map(paragraph)
      .join("\n")}`,
  output: () =>
    `${[
      "On a terminal a list is a table that fits it: long texts lose their middle, and the least needed columns go first. Elsewhere a list is one line a row, with tabs, exact times and nothing cut; --header puts the names first. --columns code,target says which columns and in which order; a wrong name is answered with all there are.",
      '--json prints one JSON value: an object for one thing, an array for a list, as the HTTP API has it (docs/api.md). --ndjson prints a list as one object a line, as it is read. A failure prints {"error": CODE, "detail": TEXT, "hint": TEXT} on standard error and nothing on standard output; the codes are the API\'s.',
      "Colours are for terminals. NO_COLOR turns them off, FORCE_COLOR on.",
      `Exit codes: ${EXIT_CODES}.`,
    ]
      .map(paragraph)
      .join("\n")}`,
};

function paragraph(text: string): string {
  return `${wrapText(text, WIDTH).join("\n")}\n`;
}

/** An example that is too long goes on in the next line, as a shell would take it. */
function exampleLines(example: string): string {
  const lines = wrapText(example, WIDTH - 6);
  return `${lines.map((line, index) => `${index === 0 ? "  " : "    "}${line}`).join(" \\\n")}\n`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.min(NAME_MOST, Math.max(...rows.map(([name]) => name.length)));
  return rows
    .map(([name, text]) => {
      const lines = wrapText(text, WIDTH - width - 4);
      const [first = "", ...rest] = name.length > width ? ["", ...lines] : lines;
      const below = rest.map((line) => `${" ".repeat(width + 4)}${line}\n`).join("");
      return `${`  ${name.padEnd(width)}  ${first}`.trimEnd()}\n${below}`;
    })
    .join("");
}
