// docs/failure-modes.md, made from the rows of the fault matrix. To write it: bun test/faults/document.ts

import { join } from "node:path";
import { wrap } from "../support/wrap.ts";
import { DATABASE_FAULTS } from "./database.ts";
import type { Fault } from "./fault.ts";
import { HOST_FAULTS } from "./host.ts";
import { LOG_FAULTS } from "./log.ts";
import { PROCESS_FAULTS } from "./process.ts";

export const GROUPS: readonly (readonly [title: string, faults: readonly Fault[]])[] = [
  ["The database", DATABASE_FAULTS],
  ["The host", HOST_FAULTS],
  ["The process and its clients", PROCESS_FAULTS],
  ["The audit log", LOG_FAULTS],
];

export const DOCUMENT = join(import.meta.dir, "../../docs/failure-modes.md");

export function failureModes(): string {
  const sections = GROUPS.map(([title, faults]) => `## ${title}\n\n${faults.map(sectionOf).join("\n")}`);
  return `# Failure modes

What happens, who notices, and what is left to do. Made from the fault matrix by
\`bun test/faults/document.ts\`: \`bun run faults\` makes each of these happen to a server that serves,
and holds every line of it. An alert that is named fired there, on what was scraped meanwhile.

${sections.join("\n")}`;
}

function sectionOf({ name, store, client, metric, alerts, recovery, lost }: Fault): string {
  const links = alerts.map((alert) => `[${alert}](runbook.md#${alert.toLowerCase()})`);
  const rows = [
    ["Clients see", client],
    ["Metric", metric],
    ["Alert", links.length === 0 ? "none of its own" : links.join(", ")],
    ["Recovery", recovery],
    ["Lost", lost],
  ];
  const on = store === "either" ? "" : ` (${store})`;
  return `### ${name}${on}\n\n${rows.map(([title, text]) => wrap(`- ${title}: ${text}.`, "  ")).join("\n")}\n`;
}

if (import.meta.main) await Bun.write(DOCUMENT, failureModes());
