// Takedowns in a terminal: links that do harm are shown, taken down, and brought back.

import pc from "picocolors";
import { badRequest, notFound } from "../errors.ts";
import type { IncidentMatch } from "../model/incident-match.ts";
import { sleep, systemClock } from "../runtime/clock.ts";
import { type Client, withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given, type Input, type Io } from "./command.ts";
import {
  openIncident,
  type Preview,
  type Progress,
  previewIncident,
  showIncident,
  takeDownMore,
  undoTakeDown,
} from "./incident-requests.ts";
import { nameOwner } from "./links.ts";
import { tableOf } from "./listing.ts";
import { findKeyIdIn, findUserId } from "./names.ts";
import { confirmed, describeHeard, print, printDone, progress } from "./output.ts";
import { readTime } from "./read-time.ts";
import { countOf, printable, thousands } from "./text.ts";
import { relativeTime } from "./when.ts";

const RESUME = "takedown resume";

export const takedownCommand: Command = {
  name: "takedown",
  summary:
    "Take down every link that matches: shows what that is, asks, and can hold them down until the incident is closed.",
  args: [],
  flags: [
    { name: "host", value: "HOST", help: "links that lead to this host" },
    { name: "host-suffix", value: "DOMAIN", help: "links that lead to this host or any below it" },
    { name: "owner", value: "USER", help: "links of this user" },
    { name: "key", value: "KEY", help: "links that were made with this key: its id, or USER/NAME" },
    { name: "tag", value: "TAG", help: "links with this tag" },
    { name: "code", value: "CODE", help: "this link; may be repeated", isRepeatable: true },
    { name: "glob", value: "PATTERN", help: "links whose target looks like this: * is any text, ? one character" },
    { name: "from", value: "TIME", help: "only links made since" },
    { name: "until", value: "TIME", help: "only links made before" },
    { name: "reason", value: "TEXT", help: "what it is, such as phishing" },
    { name: "hold", help: "refuse to make, or bring back, what matches, until the incident is closed" },
    { name: "dry-run", help: "only show what would be taken down" },
    { name: "yes", help: "do not ask" },
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter takedown --host evil.example --reason phishing --dry-run",
    "deadletter takedown --host-suffix evil.example --reason phishing --hold --yes",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const match = await readMatch(client, input);
      const isDryRun = input.isOn("dry-run");
      const reason = input.value("reason");
      if (reason === undefined && !isDryRun) throw badRequest("--reason is needed", "it is kept in the audit log");
      if (!isDryRun && !input.isOn("yes") && !input.mayAsk)
        throw badRequest(
          "a takedown asks first: --yes is needed without a terminal",
          "see what it would touch with --dry-run",
        );
      const preview = await previewIncident(client, { match, reason: reason ?? "dry run" });
      const below = await countBelow(client, match, preview);
      if (below > 0)
        io.aside(
          `${countOf(below, "more active ")} lead to hosts below ${match.host}: --host-suffix ${match.host} takes them too\n`,
        );
      const names = input.isJson ? new Map<number, string>() : await nameOwners(client, preview);
      if (isDryRun) {
        input.note("nothing was changed; the same command without --dry-run takes them down");
        return print(io, input, preview, () => describePreview(io, preview, names));
      }
      if (preview.links === 0 && !input.isOn("hold"))
        throw notFound("no active link matches: nothing was opened", "with --hold none can be made either");
      if (!input.isOn("yes")) {
        io.err(describePreview(io, preview, names));
        const held = input.isOn("hold") ? ", and refuse such links until the incident is closed" : "";
        await confirmed(`Take down ${countOf(preview.links)}${held}?`);
      }
      const opened = await openIncident(client, { match, reason: reason ?? "", hold: input.isOn("hold") });
      const more = () => takeDownMore(client, String(opened.incident.id));
      const done = await repeat(io, RESUME, opened, more);
      printDone(io, input, done, () => describeTaken(done));
    }),
};

export const takedownResumeCommand: Command = {
  name: RESUME,
  summary: "Go on with a takedown that was interrupted, or take down what has come to match since.",
  args: ["INCIDENT-ID"],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter takedown resume 3"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const more = () => takeDownMore(client, input.args[0] ?? "");
      const done = await repeat(io, RESUME, await more(), more);
      printDone(io, input, done, () => describeTaken(done));
    }),
};

export const takedownUndoCommand: Command = {
  name: "takedown undo",
  summary: "Bring back what an incident took down, and nothing that is down for another reason.",
  args: ["INCIDENT-ID"],
  flags: [
    {
      name: "code",
      value: "CODE",
      help: "only this link, while all else stays down; may be repeated",
      isRepeatable: true,
    },
    { name: "yes", help: "do not ask" },
  ],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter takedown undo 3", "deadletter takedown undo 3 --code sale --yes"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const id = input.args[0] ?? "";
      const codes = input.values("code");
      if (!input.isOn("yes")) {
        const { taken, undone, reason } = await showIncident(client, id);
        const count = codes.length > 0 ? codes.length : taken - undone;
        const what = `${countOf(count)} of incident ${id} (${printable(reason)})`;
        if (!input.mayAsk)
          throw badRequest(
            `it would bring back ${what}: --yes is needed without a terminal`,
            `look first: deadletter incidents show ${id}`,
          );
        await confirmed(`Bring back ${what}?`);
      }
      const more = () => undoTakeDown(client, id, codes);
      const done = await repeat(io, "takedown undo", await more(), more);
      const { hold, is_open } = done.incident;
      const held = done.skipped === 0 ? "" : `; ${done.skipped} stay down, which another incident holds`;
      printDone(io, input, done, () =>
        [
          `incident ${id}: brought back ${countOf(done.changed)}${held}\n`,
          describeHeard(done.heard),
          ...(is_open && hold
            ? [`it still holds what it matches; end that with: deadletter incidents close ${id}\n`]
            : []),
          ...(is_open && !hold ? [`it is open still; close it with: deadletter incidents close ${id}\n`] : []),
        ].join(""),
      );
    }),
};

async function readMatch(client: Client, input: Input): Promise<IncidentMatch> {
  const from = await readTime(input, "from", "behind");
  const until = await readTime(input, "until", "behind");
  const codes = input.values("code");
  const match: IncidentMatch = {
    ...given("host", input.value("host")),
    ...given("host_suffix", input.value("host-suffix")),
    ...given("owner", await findUserId(client, input.value("owner"))),
    ...given("key", await findKeyIdIn(client, input.value("key"))),
    ...given("tag", input.value("tag")),
    ...given("glob", input.value("glob")),
    ...(codes.length === 0 ? {} : { codes: [...codes] }),
    ...(from === undefined && until === undefined
      ? {}
      : { created_between: [from ?? "1970-01-01T00:00:00Z", until ?? "9999-12-31T00:00:00Z"] }),
  };
  if (Object.keys(match).length === 0)
    throw badRequest(
      "name what the links have in common",
      "one of --host, --host-suffix, --owner, --key, --tag, --code, --glob",
    );
  return match;
}

/** Asks the server for more until nothing is left, and nothing that began before can come after. */
async function repeat(io: Io, again: string, first: Progress, more: () => Promise<Progress>): Promise<Progress> {
  const shown = progress(io, "links");
  let [last, changed] = [first, first.changed];
  if (!first.settled)
    io.aside(`incident ${first.incident.id}; if this is interrupted, run: deadletter ${again} ${first.incident.id}\n`);
  shown.update(changed, changed + last.left);
  while (!last.settled) {
    if (last.again_ms > 0 && (last.left === 0 || last.changed === 0)) {
      shown.end();
      io.aside(
        `all that match are down now; looking once more in ${Math.ceil(last.again_ms / 1_000)} s, for those that were being made\n`,
      );
      await sleep(systemClock, last.again_ms);
    }
    last = await more();
    changed += last.changed;
    shown.update(changed, changed + last.left);
  }
  shown.end();
  return { ...last, changed };
}

/** How many more there would be with the hosts below the one that was named. */
async function countBelow(client: Client, { host, ...rest }: IncidentMatch, { links }: Preview): Promise<number> {
  if (host === undefined) return 0;
  const wide = await previewIncident(client, { match: { ...rest, host_suffix: host }, reason: "dry run" });
  return Math.max(0, wide.links - links);
}

/** The owners' names, where they may be read. */
async function nameOwners(client: Client, { owners }: Preview): Promise<ReadonlyMap<number, string>> {
  const names = new Map<number, string>();
  for (const { user_id } of owners) {
    const { owner } = await nameOwner(client, user_id);
    if (user_id !== null && owner !== undefined) names.set(user_id, owner);
  }
  return names;
}

function describePreview(
  io: Io,
  { links, newest, most_clicked, owners }: Preview,
  names: ReadonlyMap<number, string>,
): string {
  if (links === 0) return "no active link matches\n";
  const code = { name: "code", value: ({ short_code }: { short_code: string }) => short_code, least: 12 };
  const nowMs = systemClock.now();
  const newestTable = tableOf(
    io,
    [
      code,
      {
        name: "created",
        value: ({ created_at }: Preview["newest"][number]) => created_at,
        shown: ({ created_at }) => relativeTime(created_at, nowMs),
      },
      { name: "target", value: ({ original_url }) => original_url, least: 20 },
    ],
    newest,
  );
  const clicks = {
    name: "clicks",
    value: (row: Preview["most_clicked"][number]) => row.clicks,
    shown: (row: Preview["most_clicked"][number]) => thousands(row.clicks),
    align: "right" as const,
  };
  const ownerTable = tableOf(
    io,
    [
      {
        name: "owner",
        value: ({ user_id }: Preview["owners"][number]) =>
          user_id === null ? "-" : (names.get(user_id) ?? `user ${user_id}`),
      },
      { name: "links", value: (row) => row.links, shown: (row) => thousands(row.links), align: "right" },
    ],
    owners,
  );
  return [
    `${pc.bold(countOf(links, "active "))} ${links === 1 ? "matches" : "match"}\n\n${newest.length < links ? `newest ${newest.length} of ${thousands(links)}` : "all of them"}:\n${newestTable}`,
    ...(most_clicked.length === 0 ? [] : [`\nmost clicked:\n${tableOf(io, [code, clicks], most_clicked)}`]),
    `\nowners:\n${ownerTable}`,
  ].join("");
}

function describeTaken({ incident: { id, taken, hold }, heard }: Progress): string {
  return [
    `incident ${id}: took down ${countOf(taken)}\n`,
    describeHeard(heard),
    `undo with: deadletter takedown undo ${id}; report: deadletter incidents show ${id} --report\n`,
    ...(hold ? [`it holds until: deadletter incidents close ${id}\n`] : []),
  ].join("");
}
