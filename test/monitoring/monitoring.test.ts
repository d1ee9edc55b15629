// What `deadletter monitoring` prints: every metric in it is exported, every alert has its section in the runbook, every threshold
// can be set. Whether Prometheus and Alertmanager take it is tested on a machine that has them.

import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { dashboardOf, SECTIONS } from "../../src/monitoring/dashboard.ts";
import { type Rule, rulesOf } from "../../src/monitoring/rules.ts";
import { readThresholds, THRESHOLD_LIST } from "../../src/monitoring/thresholds.ts";
import { createStore, ENGINES, newEnvironment, startServer } from "../support/harness.ts";
import { runDeadletter } from "../support/process.ts";

const ROOT = join(import.meta.dir, "../..");
const rules = (said: Readonly<Record<string, string>> = {}, job = "deadletter") =>
  rulesOf({ job, runbookUrl: "https://docs.example/runbook.md", thresholds: readThresholds((flag) => said[flag]) });
const allRules = (said?: Readonly<Record<string, string>>): Rule[] =>
  rules(said).groups.flatMap((group) => group.rules);

/** What both engines export together, with what only workers and consumers do. */
const exported = new Set([
  "up",
  "deadletter_workers",
  "deadletter_worker_restarts_total",
  "deadletter_consumer_lag_entries",
  // Of deadletter probe --metrics.
  "deadletter_probe_success",
  "deadletter_probe_timestamp_seconds",
]);

beforeAll(async () => {
  for (const engine of ENGINES) {
    const server = await startServer(await createStore(engine));
    const { text } = await server.call("GET", "/metrics");
    for (const [, name = ""] of text.matchAll(/^# TYPE (\w+)/gm)) exported.add(name);
    await server.close();
    server.store.remove();
  }
});

/** Names of metrics in a query that nobody exports; recorded ones count as exported. */
function unknownIn(query: string): string[] {
  const recorded = new Set(allRules().flatMap(({ record }) => record ?? []));
  const names = query
    .replace(/"[^"]*"/g, "")
    .replace(/\b(?:by|on)\s*\([^)]*\)/g, "")
    .match(/\b(?:deadletter[\w:]*|process_\w+|nodejs_\w+|up)\b(?!\s*=)/g);
  return (names ?? []).filter(
    (name) => !recorded.has(name) && !exported.has(name) && !exported.has(name.replace(/_(?:bucket|sum|count)$/, "")),
  );
}

describe("the rules", () => {
  test("ask only for metrics that are exported", () => {
    expect(allRules().length).toBeGreaterThan(50);
    expect(allRules().flatMap(({ expr }) => unknownIn(expr))).toEqual([]);
    // The check itself can fail.
    expect(unknownIn('sum(rate(deadletter_redirects_totals{job="deadletter_x"}[5m]))')).toEqual([
      "deadletter_redirects_totals",
    ]);
  });

  test("link each alert to its section of the runbook, and the runbook has no other", () => {
    const headings = [...readFileSync(join(ROOT, "docs/runbook.md"), "utf8").matchAll(/^### (Deadletter\w+)$/gm)].map(
      ([, name]) => name,
    );
    const alerts = [...new Set(allRules().flatMap(({ alert }) => alert ?? []))];
    expect(headings.toSorted()).toEqual(alerts.toSorted());
    for (const { alert, annotations, labels } of allRules().filter((rule) => rule.alert !== undefined)) {
      expect(annotations?.runbook_url).toBe(`https://docs.example/runbook.md#${alert?.toLowerCase()}`);
      expect(annotations?.summary).toMatch(/^[A-Z].*\.$/);
      expect(labels?.severity).toBeOneOf(["page", "ticket"]);
    }
  });

  test("name the job that is asked for, and no other", () => {
    const selectors = JSON.stringify(rules({}, "other")).matchAll(/job=\\"(\w+)\\"/g);
    expect([...new Set([...selectors].map(([, job]) => job))]).toEqual(["other"]);
  });

  test("change with every threshold", () => {
    for (const { flag, default: otherwise } of THRESHOLD_LIST) {
      const other = otherwise === 0 ? "1" : String(otherwise / 2);
      expect([flag, JSON.stringify(rules({ [flag]: other })) === JSON.stringify(rules())]).toEqual([flag, false]);
    }
  });
});

test("the dashboard asks only for metrics that are exported, and lays its panels out without overlap", () => {
  const queries = SECTIONS.flatMap(([, panels]) => panels.flatMap((panel) => panel.queries.map(([expr]) => expr)));
  expect(queries.length).toBeGreaterThan(40);
  expect(queries.flatMap(unknownIn)).toEqual([]);
  const { panels } = dashboardOf("1.2.3") as {
    panels: { id: number; gridPos: { x: number; y: number; w: number; h: number } }[];
  };
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)}:${y + Math.floor(at / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
});

describe("the commands", () => {
  const run = (...words: string[]) => runDeadletter(words, newEnvironment(undefined));

  test("print YAML that reads back as what --json prints, and a dashboard in JSON", async () => {
    const [yaml, json] = [await run("monitoring", "rules"), await run("monitoring", "rules", "--json")];
    expect([yaml.exitCode, json.exitCode]).toEqual([0, 0]);
    expect(Bun.YAML.parse(yaml.stdout)).toEqual(JSON.parse(json.stdout));
    expect(yaml.stdout).not.toMatch(/[&*]labels/);
    expect(JSON.parse((await run("monitoring", "dashboard")).stdout)).toMatchObject({ uid: "deadletter" });
    const alertmanager = await run("monitoring", "alertmanager", "--page-url", "https://pager.example/hook/");
    expect(alertmanager.stdout).toContain("https://pager.example/hook\n");
  });

  test("refuse what Prometheus would not take", async () => {
    for (const words of [
      ["rules", "--job", 'a"} or vector(1)'],
      ["rules", "--redirect-availability", "100"],
      ["rules", "--pending-seconds", "soon"],
      ["rules", "--runbook-url", "javascript:alert(1)"],
      ["alertmanager", "--page-url", "nowhere"],
    ])
      expect([words, (await run("monitoring", ...words)).exitCode]).toEqual([words, 2]);
  });
});
