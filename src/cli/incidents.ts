// Incidents in a terminal: which there are, what one did, its report, and its end. Takedowns: takedown.ts.

import pc from "picocolors";
import type { Incident } from "../model/incident.ts";
import { describeMatch } from "../model/incident-match.ts";
import { systemClock } from "../runtime/clock.ts";
import { withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, REASON } from "./command.ts";
import { closeIncident, listIncidents, readReport, showIncident } from "./incident-requests.ts";
import { PAGED_FLAGS, printPages, readLimit } from "./listing.ts";
import { confirmed, print, printDone } from "./output.ts";
import { type Column, facts, type Paint } from "./table.ts";
import { countOf, printable, thousands } from "./text.ts";
import { exactAndRelative, relativeTime } from "./when.ts";

export const incidentsListCommand: Command = {
  name: "incidents list",
  summary: "List incidents, the newest first.",
  args: [],
  flags: PAGED_FLAGS,
  settings: CLIENT_SETTINGS,
  examples: ["deadletter incidents list"],
  run: (input, io) =>
    withClient(input, async (client) => {
      await printPages({ input, io }, () => listIncidents(client, readLimit(input)), {
        columns: INCIDENT_COLUMNS,
        empty: "no incidents; take links down with: deadletter takedown --host HOST --reason TEXT",
      });
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
      print(io, input, incident, () => describeIncident(incident));
    }),
};

export const incidentsCloseCommand: Command = {
  name: "incidents close",
  summary: "Close an incident, which ends its hold. What it took stays down.",
  args: ["INCIDENT-ID"],
  flags: [REASON, { name: "yes", help: "do not ask" }],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter incidents close 3"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const id = input.args[0] ?? "";
      if (input.mayAsk && !input.isOn("yes")) {
        const { hold, match } = await showIncident(client, id);
        if (hold)
          await confirmed(`Close incident ${id}? Links to ${printable(describeMatch(match))} may be made again.`);
      }
      const incident = await closeIncident(client, id, input.value("reason"));
      printDone(io, input, incident, () => `closed incident ${incident.id}\n`);
    }),
};

type IncidentState = "holding" | "open" | "closed";

export function incidentState({ is_open, hold }: Pick<Incident, "is_open" | "hold">): IncidentState {
  return is_open ? (hold ? "holding" : "open") : "closed";
}

const STATE_PAINTS: Readonly<Record<IncidentState, Paint>> = { holding: pc.yellow, open: pc.cyan, closed: pc.dim };

export const INCIDENT_COLUMNS: readonly Column<Incident>[] = [
  { name: "id", value: ({ id }) => id, align: "right" },
  { name: "state", value: incidentState, paint: (incident) => STATE_PAINTS[incidentState(incident)] },
  {
    name: "opened",
    value: ({ created_at }) => created_at,
    shown: ({ created_at }, nowMs) => relativeTime(created_at, nowMs),
    paint: () => pc.dim,
    rank: 2,
  },
  { name: "taken", value: ({ taken }) => taken, shown: ({ taken }) => thousands(taken), align: "right" },
  {
    name: "undone",
    value: ({ undone }) => undone,
    shown: ({ undone }) => thousands(undone),
    align: "right",
    rank: 1,
  },
  { name: "reason", value: ({ reason }) => reason, least: 10 },
  { name: "match", value: ({ match }) => JSON.stringify(match), shown: ({ match }) => describeMatch(match), least: 16 },
];

function describeIncident(incident: Incident): string {
  const nowMs = systemClock.now();
  return facts([
    ["incident", `${incident.id}, version ${incident.version}`],
    ["state", STATE_PAINTS[incidentState(incident)](incidentState(incident))],
    ["reason", printable(incident.reason)],
    ["match", printable(describeMatch(incident.match))],
    ["taken", `${countOf(incident.taken)}, ${thousands(incident.undone)} brought back`],
    ["opened", exactAndRelative(incident.created_at, nowMs)],
    ["updated", exactAndRelative(incident.updated_at, nowMs)],
  ]);
}
