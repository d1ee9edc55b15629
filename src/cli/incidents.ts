// Incidents in a terminal: links that do harm are shown, taken down, brought back, and told of.

import pc from "picocolors";
import { badRequest, conflict, notFound } from "../errors.ts";
import type { Incident } from "../model/incident.ts";
import type { IncidentMatch } from "../model/incident-match.ts";
import { sleep, systemClock } from "../runtime/clock.ts";
import { type Client, withClient } from "./client.ts";
import {
  CLIENT_SETTINGS,
  type Command,
  given,
  type Input,
  type Io,
  LIMIT,
  REASON,
  readInteger,
  readLimit,
} from "./command.ts";
import {
  closeIncident,
  listIncidents,
  openIncident,
  type Preview,
  type Progress,
  previewIncident,
  readReport,
  showIncident,
  takeDownMore,
  undoTakeDown,
} from "./incident-requests.ts";
import { describeHeard, print, printable, progress, table } from "./output.ts";

const RESUME = "takedown resume";

export const takedownCommand: Command = {
  name: "takedown",
  summary:
    "Take down every link that matches: shows what that is, asks, and can hold them down until the incident is closed.",
  args: [],
  flags: [
    { name: "host", value: "HOST", help: "links that lead to this host" },
    { name: "host-suffix", value: "DOMAIN", help: "links that lead to this host or any below it" },
    { name: "owner", value: "USER-ID", help: "links of this user" },
    { name: "key", value: "KEY-ID", help: "links that were made with this key" },
    { name: "tag", value: "TAG", help: "links with this tag" },
    { name: "code", value: "CODE", help: "this link; may be repeated", isRepeatable: true },
    { name: "glob", value: "PATTERN", help: "links whose target looks like this: * is any text, ? one character" },
    { name: "from", value: "TIME", help: "RFC 3339: only links made since" },
    { name: "until", value: "TIME", help: "RFC 3339: only links made before" },
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
      const match = readMatch(input);
      const isDryRun = input.isOn("dry-run");
      const reason = input.value("reason");
      if (reason === undefined && !isDryRun) throw badRequest("--reason is needed", "it is kept in the audit log");
      if (!isDryRun && !input.isOn("yes") && !io.isInteractive)
        throw badRequest(
          "a takedown asks first: --yes is needed without a terminal",
          "see what it would touch with --dry-run",
        );
      const preview = await previewIncident(client, { match, reason: reason ?? "dry run" });
      const below = await countBelow(client, match, preview);
      if (below > 0)
        io.err(
          `${countOf(below, "more active ")} lead to hosts below ${match.host}: --host-suffix ${match.host} takes them too\n`,
        );
      if (isDryRun) return print(io, input.isJson, preview, () => describePreview(preview));
      if (preview.links === 0 && !input.isOn("hold"))
        throw notFound("no active link matches: nothing was opened", "with --hold none can be made either");
      if (!input.isOn("yes")) await ask(io, preview);
      const opened = await openIncident(client, { match, reason: reason ?? "", hold: input.isOn("hold") });
      const more = () => takeDownMore(client, String(opened.incident.id));
      const done = await repeat(io, RESUME, opened, more);
      print(io, input.isJson, done, () => describeTaken(done));
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
      print(io, input.isJson, done, () => describeTaken(done));
    }),
};

export const takedownUndoCommand: Command = {
  name: "takedown undo",
  summary: "Bring back what an incident took down, and nothing that is down for another reason.",
  args: ["INCIDENT-ID"],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter takedown undo 3"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const id = input.args[0] ?? "";
      const more = () => undoTakeDown(client, id);
      const done = await repeat(io, "takedown undo", await more(), more);
      const { hold, is_open } = done.incident;
      const held = done.skipped === 0 ? "" : `; ${done.skipped} stay down, which another incident holds`;
      print(io, input.isJson, done, () =>
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

export const incidentsListCommand: Command = {
  name: "incidents list",
  summary: "List incidents, the newest first.",
  args: [],
  flags: [LIMIT],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter incidents list"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const incidents = await listIncidents(client, readLimit(input));
      const rows = incidents.map((incident) => [
        String(incident.id),
        stateOf(incident),
        incident.created_at,
        String(incident.taken),
        String(incident.undone),
        printable(incident.reason),
        printable(JSON.stringify(incident.match)),
      ]);
      const header = ["ID", "STATE", "OPENED", "TAKEN", "UNDONE", "REASON", "MATCH"];
      const none = "no incidents; take links down with: deadletter takedown --host HOST --reason TEXT\n";
      print(io, input.isJson, incidents, () => (rows.length === 0 ? none : table(header, rows)));
    }),
};

export const incidentsShowCommand: Command = {
  name: "incidents show",
  summary: "Show an incident, or the report of it to hand on.",
  args: ["INCIDENT-ID"],
  flags: [{ name: "report", help: "the whole report, in Markdown; with --json in JSON" }],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter incidents show 3", "deadletter incidents show 3 --report > incident-3.md"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const id = input.args[0] ?? "";
      if (input.isOn("report")) return io.out(await readReport(client, id, input.isJson ? "json" : "markdown"));
      const incident = await showIncident(client, id);
      print(io, input.isJson, incident, () => describeIncident(incident));
    }),
};

export const incidentsCloseCommand: Command = {
  name: "incidents close",
  summary: "Close an incident, which ends its hold. What it took stays down.",
  args: ["INCIDENT-ID"],
  flags: [REASON],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter incidents close 3"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const incident = await closeIncident(client, input.args[0] ?? "", input.value("reason"));
      print(io, input.isJson, incident, () => `closed incident ${incident.id}\n`);
    }),
};

function readMatch(input: Input): IncidentMatch {
  const [from, until] = [input.value("from"), input.value("until")];
  const codes = input.values("code");
  const match: IncidentMatch = {
    ...given("host", input.value("host")),
    ...given("host_suffix", input.value("host-suffix")),
    ...given("owner", readInteger("owner", input.value("owner"))),
    ...given("key", readInteger("key", input.value("key"))),
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
    io.err(`incident ${first.incident.id}; if this is interrupted, run: deadletter ${again} ${first.incident.id}\n`);
  shown.update(changed, changed + last.left);
  while (!last.settled) {
    if (last.again_ms > 0 && (last.left === 0 || last.changed === 0)) {
      io.err(`looking once more in ${Math.ceil(last.again_ms / 1_000)} s, when what began before the hold has ended\n`);
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

async function ask(io: Io, preview: Preview): Promise<void> {
  const { confirm, isCancel } = await import("@clack/prompts");
  io.err(describePreview(preview));
  const answer = await confirm({ message: `Take down ${countOf(preview.links)}?`, initialValue: false });
  if (isCancel(answer) || !answer) throw conflict("nothing was taken down");
}

function describePreview({ links, newest, most_clicked, owners }: Preview): string {
  if (links === 0) return "no active link matches\n";
  const codes = newest.map(({ short_code, original_url, created_at }) => [
    short_code,
    created_at.slice(0, 10),
    printable(original_url).slice(0, 70),
  ]);
  return [
    `${pc.bold(countOf(links, "active "))} ${links === 1 ? "matches" : "match"}\n\nnewest:\n${table(["CODE", "CREATED", "TARGET"], codes)}`,
    ...(most_clicked.length === 0
      ? []
      : [
          `\nmost clicked:\n${table(
            ["CODE", "CLICKS"],
            most_clicked.map(({ short_code, clicks }) => [short_code, String(clicks)]),
          )}`,
        ]),
    `\nowners:\n${table(
      ["USER", "LINKS"],
      owners.map(({ user_id, links: owned }) => [user_id === null ? "-" : `user ${user_id}`, String(owned)]),
    )}`,
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

function countOf(links: number, which = ""): string {
  return `${links} ${which}${links === 1 ? "link" : "links"}`;
}

function stateOf({ is_open, hold }: Incident): string {
  return is_open ? (hold ? pc.yellow("holding") : "open") : "closed";
}

function describeIncident(incident: Incident): string {
  const rows = [
    ["incident", `${incident.id}, version ${incident.version}`],
    ["state", stateOf(incident)],
    ["reason", printable(incident.reason)],
    ["match", printable(JSON.stringify(incident.match))],
    ["taken", `${countOf(incident.taken)}, ${incident.undone} brought back`],
    ["opened", incident.created_at],
    ["updated", incident.updated_at],
  ];
  return rows.map(([name = "", value = ""]) => `${name.padEnd(10)} ${value}\n`).join("");
}
