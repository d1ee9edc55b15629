// The manual page deadletter(1), from the commands and settings themselves (man-pages(7), groff_man(7)).

import packageJson from "../package.json" with { type: "json" };
import type { Command } from "../src/cli/command.ts";
import { SETTINGS } from "../src/config/settings.ts";

export function manualPage(commands: readonly Command[]): string {
  const shown = commands.filter(({ isInternal }) => !isInternal);
  return `${[
    `.TH DEADLETTER 1 "" "deadletter ${packageJson.version}" "User Commands"`,
    ".SH NAME",
    "deadletter \\- a URL shortener whose every change is in its audit log",
    ".SH SYNOPSIS",
    ".B deadletter",
    ".I COMMAND",
    "[\\fIflags\\fR]",
    ".SH DESCRIPTION",
    "Shortens, redirects, updates, soft-deletes and restores links. Every change is written, in the same transaction, to a",
    "signed, append-only audit log. Without \\fBDATABASE_URL\\fR the store is a SQLite file in the data directory.",
    ".PP",
    "Every command takes \\fB\\-\\-json\\fR and \\fB\\-\\-help\\fR.",
    ".SH COMMANDS",
    ...shown.flatMap(commandLines),
    ".SH SETTINGS",
    "A flag wins over the environment, which wins over the default.",
    ...SETTINGS.flatMap((setting) => [
      ".TP",
      `.B ${[setting.env, setting.fileEnv, setting.flag && `--${setting.flag}`]
        .filter(Boolean)
        .map((name) => roff(String(name)))
        .join(", ")}`,
      `${roff(setting.help)}.${typeof setting.default === "string" && setting.default !== "" ? ` Default: ${roff(setting.default)}.` : ""}`,
    ]),
    ".SH EXIT STATUS",
    "0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 not allowed, 6 verification failed, 7 unavailable.",
    ".SH FILES",
    ...[
      ["/etc/default/deadletter", "Settings of the service."],
      ["/var/lib/deadletter", "Its data directory: the embedded store, the remembered checkpoint, waiting clicks."],
    ].flatMap(([path = "", text = ""]) => [".TP", `.I ${path}`, text]),
    ".SH SEE ALSO",
    "The documents in /usr/share/doc/deadletter.",
  ].join("\n")}\n`;
}

function commandLines({ name, args, summary, flags, examples }: Command): string[] {
  return [
    ".TP",
    `.B deadletter ${roff([name, ...args].join(" "))}`,
    roff(summary),
    ...flags.flatMap((flag) => [
      ".RS",
      ".TP",
      `.B ${roff(`--${flag.name}${flag.value === undefined ? "" : ` ${flag.value}`}`)}`,
      roff(flag.help),
      ".RE",
    ]),
    ...(examples[0] === undefined ? [] : [".RS", ".PP", `\\fIExample:\\fR ${roff(examples[0])}`, ".RE"]),
  ];
}

/** What roff would take for its own: backslashes, hyphens, and a control character at the start of a line. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");
}
