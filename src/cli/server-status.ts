// How a server is, in a terminal: its totals, its checks, its metrics.

import type { Static } from "@sinclair/typebox";
import pc from "picocolors";
import type { Readiness, Stats } from "../http/ops.ts";
import { systemClock } from "../runtime/clock.ts";
import { getBytes, readJson, withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command } from "./command.ts";
import { print } from "./output.ts";
import { readStats } from "./requests.ts";
import { readSamples } from "./samples.ts";
import { facts } from "./table.ts";
import { byteCount, printable, thousands } from "./text.ts";
import { duration, exactAndRelative } from "./when.ts";

export const statsCommand: Command = {
  name: "stats",
  summary: "Show totals: links by state, events by kind, clicks; and the server's uptime and memory.",
  args: [],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter stats", "deadletter stats --json | jq .links.active"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const stats = await readStats(client);
      print(io, input, stats, () => describeStats(stats));
    }),
};

export function describeStats(stats: Stats): string {
  const { links, events, clicks, as_of, log_refused } = stats;
  const kinds = Object.entries(events ?? {}).filter(([, count]) => count > 0);
  return facts([
    [
      "links",
      links === null
        ? "-"
        : `${thousands(links.total)}: ${thousands(links.active)} active, ${thousands(links.inactive)} inactive`,
    ],
    ["clicks", clicks === null ? "-" : thousands(clicks)],
    ["events", kinds.map(([kind, count]) => `${thousands(count)} ${kind}`).join(", ") || "none"],
    ["as of", as_of === null ? "the store has not answered yet" : exactAndRelative(as_of, systemClock.now())],
    ...(log_refused === null ? [] : [["log", pc.red(`refused: ${printable(log_refused)}`)] as [string, string]]),
    [
      "up",
      `${duration(stats.uptime_seconds * 1000) ?? "just started"}, ${stats.workers} ${stats.workers === 1 ? "process" : "processes"}, ${byteCount(stats.memory_bytes)}`,
    ],
    ["version", printable(stats.version)],
  ]);
}

export const healthCommand: Command = {
  name: "health",
  summary: "Show each check by which a server is ready, degraded or not; exits 7 if it is not ready.",
  args: [],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter health --server https://go.example.com", "deadletter health --json"],
  async run(input, io) {
    let status = "unready";
    await withClient(
      input,
      async (client) => {
        const report = await readReadiness(client);
        status = report.status;
        print(io, input, report, () => describeReadiness(report));
      },
      { isPublic: true },
    );
    return status === "unready" ? 7 : 0;
  },
};

type Report = Static<typeof Readiness>;

export function readReadiness(client: Parameters<typeof readJson>[0]): Promise<Report> {
  // 503 is one of its answers, and no failure.
  return readJson<Report>(client, "/readyz", [200, 503]);
}

export function describeReadiness({ status, checks }: Report): string {
  const paint = status === "ready" ? pc.green : status === "degraded" ? pc.yellow : pc.red;
  const rows = Object.entries(checks).map(([name, { ok, detail }]): [string, string] => [
    printable(name),
    ok ? pc.green("ok") : pc.red(printable(detail ?? "not ok")),
  ]);
  return facts([["status", paint(status)], ...rows]);
}

export const metricsCommand: Command = {
  name: "metrics",
  summary: "Print the server's metrics as Prometheus reads them; with --grep, those whose name holds a text.",
  args: [],
  flags: [{ name: "grep", value: "TEXT", help: "only metrics whose name contains this" }],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter metrics", "deadletter metrics --grep cache --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const text = new TextDecoder().decode(await getBytes(client, "/metrics"));
      const wanted = input.value("grep");
      const lines = text.split("\n").filter((line) => wanted === undefined || nameIn(line).includes(wanted));
      if (!input.isJson) return io.out(`${lines.map(printable).join("\n").trimEnd()}\n`);
      // JSON has no infinity.
      const samples = readSamples(lines.join("\n")).filter(({ value }) => Number.isFinite(value));
      print(io, input, samples, () => "");
    }),
};

function nameIn(line: string): string {
  return /^(?:# \w+ )?([a-zA-Z_:][\w:]*)/.exec(line)?.[1] ?? "";
}
