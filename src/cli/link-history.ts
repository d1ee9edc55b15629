// A link's past in a terminal: the way back to a version, the difference of two, and why a code redirects or not.

import pc from "picocolors";
import { badRequest, ERROR_TABLE } from "../errors.ts";
import type { Explanation } from "../operations/explain.ts";
import { systemClock } from "../runtime/clock.ts";
import { withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, REASON, readInteger, readWait, WAIT, wordOrFlag } from "./command.ts";
import { nameOwner } from "./links.ts";
import { onLink } from "./names.ts";
import { describeHeard, print, printDone } from "./output.ts";
import { readTime } from "./read-time.ts";
import { diffLink, explainCode, revertLink } from "./requests.ts";
import { changeLines } from "./show-event.ts";
import { describeLink } from "./show-link.ts";
import { facts } from "./table.ts";
import { printable } from "./text.ts";
import { exactAndRelative } from "./when.ts";

export const revertCommand: Command = {
  name: "revert",
  summary: "Return a link to an earlier version, as a new version; also a deleted link.",
  args: ["LINK", "[VERSION]"],
  flags: [
    { name: "to-version", value: "N", help: "the same as VERSION; deadletter show lists them" },
    { name: "at", value: "TIME", help: "to the version there was then" },
    { name: "if-version", value: "N", help: "only if the link is still at this version" },
    REASON,
    WAIT,
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter revert sale 2",
    'deadletter revert sale --at 2026-11-01T00:00:00Z --reason "the new page is gone"',
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const to = {
        ...given("to_version", readInteger("to-version", wordOrFlag(input, 1, "to-version"))),
        ...given("at", await readTime(input, "at", "behind")),
        ...given("reason", input.value("reason")),
      };
      if ((to.to_version === undefined) === (to.at === undefined))
        throw badRequest("name a version, or a time with --at", "deadletter show CODE lists the versions");
      const options = {
        ...given("version", readInteger("if-version", input.value("if-version"))),
        ...readWait(input),
      };
      const link = await onLink(client, input.args[0] ?? "", (name) => revertLink(client, name, to, options));
      const shown = { ...link, ...(input.isJson ? {} : await nameOwner(client, link.user_id)) };
      printDone(io, input, link, () => `${describeLink(shown, systemClock.now())}${describeHeard(link.heard)}`);
    }),
};

export const diffCommand: Command = {
  name: "diff",
  summary: "Show what two versions of a link say differently; by default the newest and the one before it.",
  args: ["LINK", "[FROM]", "[TO]"],
  flags: [
    { name: "from", value: "N", help: "a version; by default the one before --to" },
    { name: "to", value: "N", help: "a version; by default the newest" },
  ],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter diff sale", "deadletter diff sale 1 4 --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const versions = {
        ...given("from", wordOrFlag(input, 1, "from")),
        ...given("to", wordOrFlag(input, 2, "to")),
      };
      const diff = await onLink(client, input.args[0] ?? "", (name) => diffLink(client, name, versions));
      print(io, input, diff, () => {
        const { short_code, from, to, changes } = diff;
        if (from.version === to.version && versions.from === undefined) return `${short_code} has no earlier version\n`;
        const head = `${short_code}: version ${from.version} (${from.at}) to version ${to.version} (${to.at})\n`;
        const lines = changeLines(changes).map((line) => `  ${line}\n`);
        return `${head}${lines.join("") || "  nothing differs\n"}`;
      });
    }),
};

function describeCached({ verdict, version, since }: NonNullable<Explanation["cached"]>): string {
  return since === null ? "known to be no link" : `${verdict}, version ${version}, since ${since}`;
}

export const explainCommand: Command = {
  name: "explain",
  summary: "Say why a code redirects, or does not; exits 3 for a code that no link has.",
  args: ["CODE"],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter explain sale", "deadletter explain sale --json"],
  async run(input, io) {
    let exitCode = 0;
    await withClient(input, async (client) => {
      const found = await explainCode(client, input.args[0] ?? "");
      // As of every command that is given a name there is not.
      if (found.target === null) exitCode = ERROR_TABLE.not_found.exit;
      print(io, input, found, () => {
        const { code, redirects, why, target, last_change, cached, near } = found;
        const verdict = redirects ? pc.green("redirects") : pc.red("does not redirect");
        const change =
          last_change &&
          `${last_change.event_type} ${exactAndRelative(last_change.timestamp, systemClock.now())} by ${last_change.actor_name ?? "(erased)"}`;
        const rows = [
          ["why", why],
          ["target", target && printable(target)],
          ["last change", change && printable(change)],
          ["cache", cached && describeCached(cached)],
          ["similar", near.length === 0 ? null : near.join(", ")],
        ] as const;
        const shown = rows.flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
        return `${pc.bold(printable(code))} ${verdict}\n${facts(shown)}`;
      });
    });
    return exitCode;
  },
};
