// An incident's report as Markdown, for people who are handed it. Everything from outside stands in code spans or is escaped.

import { LIMITS } from "../limits.ts";
import { describeMatch } from "../model/incident-match.ts";
import { hostOf } from "../model/target.ts";
import type { IncidentReport } from "../operations/incident-report.ts";

/** `address` is where the public reaches this server. */
export function markdownOf(report: IncidentReport, address: string): string {
  const { incident, at, window, timeline, links, clicks, is_more, still_followed } = report;
  const state = !incident.is_open
    ? "It is closed"
    : `It is open${incident.hold ? ", and refuses links that match" : ""}`;
  const hosts = Object.entries(Object.groupBy(links, (link) => hostOf(link.original_url) ?? "?"))
    .map(([host, own = []]) => ({ host, count: own.length }))
    .toSorted((a, b) => b.count - a.count);
  const rows = links.slice(0, LIMITS.reportRows);
  return `# Incident ${incident.id}: ${plain(incident.reason)}

Opened at ${incident.created_at}. Links that match ${code(describeMatch(incident.match))} were taken down: ${incident.taken};
brought back: ${incident.undone}. ${state}, as of ${at}.

They lead to ${
    hosts
      .slice(0, HOSTS_SHOWN)
      .map(({ host, count }) => `${code(host)} (${count})`)
      .join(", ") || "nothing"
  }${hosts.length > HOSTS_SHOWN ? ` and ${hosts.length - HOSTS_SHOWN} more hosts` : ""}.
Clicks of people on the links below: ${clicks}, from ${window.from}, a week before, to ${window.to}, the end of its hour.

## What happened

| when | what | links | who | events |
|---|---|---|---|---|
${timeline.map((line) => `| ${line.at} | ${line.what} | ${line.links} | ${plain(line.who)} | ${code(line.event)}${line.through === line.event ? "" : ` to ${code(line.through)}`} |`).join("\n")}

## Links

| code | leads to | state | clicks |
|---|---|---|---|
${rows.map((link) => `| ${code(link.short_code)} | ${code(link.original_url)} | ${link.is_active ? "active" : link.down_for_it ? "down for this" : "inactive"} | ${link.clicks} |`).join("\n")}
${links.length > rows.length || is_more ? "\nMore were taken down: the report in JSON, and the incident's events, name them.\n" : ""}
## What browsers may still follow

${still_followed.length === 0 ? "Nothing: none of these links lets a browser keep its redirect." : still_followed.map(({ short_code, why }) => `- ${code(short_code)}: ${why}`).join("\n")}

## Proof

Each event above is in the signed log: ${code(`${address}/events/EVENT/proof`)} proves it against ${code(`${address}/log/checkpoint`)},
with ${code("deadletter log vkey")} for the key. Events that take links down name them in their state.
`;
}

const HOSTS_SHOWN = 10;

/** In a table's cell: no markup, no new line. */
function plain(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replace(/[\\`*_{}[\]#+!|<>~]/g, "\\$&")
    .replace(/\s+/g, " ");
}

/** A code span that its own text cannot end (CommonMark section 6.1). */
function code(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((ticks) => ticks.length));
  const fence = "`".repeat(longest + 1);
  const inside = text.replace(/\s+/g, " ").replaceAll("|", "\\|");
  const padding = /^`|`$/.test(inside) || inside.trim() === "" ? " " : "";
  return `${fence}${padding}${inside}${padding}${fence}`;
}
