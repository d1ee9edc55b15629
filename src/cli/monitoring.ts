// monitoring: prints what other people's software needs to watch this release. Opens no store and asks no server.

import { badRequest } from "../errors.ts";
import { alertmanagerOf } from "../monitoring/alertmanager.ts";
import { dashboardOf } from "../monitoring/dashboard.ts";
import { rulesOf } from "../monitoring/rules.ts";
import { readThresholds, THRESHOLD_LIST } from "../monitoring/thresholds.ts";
import { VERSION } from "../runtime/version.ts";
import type { Command, Input, Io } from "./command.ts";

/** Beside the release's other documents, until somebody says where it is published. */
const RUNBOOK = "docs/runbook.md";

export const monitoringRulesCommand: Command = {
  name: "monitoring rules",
  summary: "Print Prometheus rules for this release: objectives, error budgets and alerts, as YAML.",
  args: [],
  flags: [
    { name: "job", value: "NAME", help: "the scrape's job, default deadletter" },
    { name: "runbook-url", value: "URL", help: `where docs/runbook.md is published, default ${RUNBOOK}` },
    ...THRESHOLD_LIST.map(({ flag, help, default: otherwise }) => ({
      name: flag,
      value: "N",
      help: `${help}, default ${otherwise}`,
    })),
  ],
  settings: [],
  examples: [
    "deadletter monitoring rules > /etc/prometheus/deadletter.rules.yaml",
    "deadletter monitoring rules --job shortener --redirect-availability 99.99 --pending-seconds 10",
  ],
  run(input, io) {
    const job = input.value("job") ?? "deadletter";
    // As Prometheus takes it in a configuration; it stands in every query.
    if (!/^[\w.:-]{1,100}$/.test(job)) throw badRequest("--job: must be 1 to 100 of A-Z a-z 0-9 _ . : -");
    const runbookUrl = readUrl("runbook-url", input.value("runbook-url")) ?? RUNBOOK;
    return printYaml(input, io, rulesOf({ job, runbookUrl, thresholds: readThresholds(input.value) }));
  },
};

export const monitoringDashboardCommand: Command = {
  name: "monitoring dashboard",
  summary: "Print a Grafana dashboard for this release, as JSON to import.",
  args: [],
  flags: [],
  settings: [],
  examples: ["deadletter monitoring dashboard > deadletter.dashboard.json"],
  run(_, io) {
    io.out(`${JSON.stringify(dashboardOf(VERSION), null, 2)}\n`);
    return Promise.resolve(0);
  },
};

export const monitoringAlertmanagerCommand: Command = {
  name: "monitoring alertmanager",
  summary: "Print an Alertmanager configuration to begin with, as YAML.",
  args: [],
  flags: [
    { name: "page-url", value: "URL", help: "where what must wake somebody up is posted" },
    { name: "ticket-url", value: "URL", help: "where what can wait for the morning is posted; default: as --page-url" },
  ],
  settings: [],
  examples: ["deadletter monitoring alertmanager --page-url http://127.0.0.1:9095/page > alertmanager.yml"],
  run(input, io) {
    const pageUrl = readUrl("page-url", input.value("page-url")) ?? "http://127.0.0.1:9095/page";
    const ticketUrl = readUrl("ticket-url", input.value("ticket-url")) ?? pageUrl;
    return printYaml(input, io, alertmanagerOf({ pageUrl, ticketUrl }));
  },
};

function readUrl(flag: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) throw badRequest(`--${flag}: must be an http or https address`);
  return text.replace(/\/+$/, "");
}

function printYaml({ isJson }: Input, io: Io, value: object): Promise<number> {
  io.out(
    isJson
      ? `${JSON.stringify(value, null, 2)}\n`
      : // A copy, in which nothing is shared: anchors are YAML that few people read.
        `# Made by deadletter ${VERSION}; make it anew after an upgrade.\n${Bun.YAML.stringify(JSON.parse(JSON.stringify(value)), null, 2)}\n`,
  );
  return Promise.resolve(0);
}
