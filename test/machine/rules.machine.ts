// Prometheus's own tool holds the rules: it takes them, parses every query of the dashboard, and each alert fires in one case and
// not in another. Alertmanager's takes its configuration.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alertmanagerOf } from "../../src/monitoring/alertmanager.ts";
import { ALERTS } from "../../src/monitoring/alerts.ts";
import { SECTIONS } from "../../src/monitoring/dashboard.ts";
import { budgetOf, OBJECTIVES, type Objective } from "../../src/monitoring/objectives.ts";
import { type Rule, rulesOf } from "../../src/monitoring/rules.ts";
import { readThresholds } from "../../src/monitoring/thresholds.ts";
import { createStore, ENGINES, startServer } from "../support/harness.ts";

const folder = mkdtempSync(join(tmpdir(), "deadletter-rules-"));
const thresholds = readThresholds(() => undefined);
const rules = rulesOf({ job: "deadletter", runbookUrl: "https://docs.example/runbook.md", thresholds });
/** By how long a step of a test is: days are looked through in longer ones. */
const STEPS = { minute: "1m", fiveMinutes: "5m" } as const;
type Step = keyof typeof STEPS;

/** Writes the rules, or those that one test needs: days of all of them take a minute. */
function writeRules(file: string, step: Step, isNeeded: (rule: Rule) => boolean = () => true): void {
  const groups = rules.groups.map((group) => ({
    ...group,
    ...(step === "minute" ? {} : { interval: STEPS[step] }),
    rules: group.rules.filter(isNeeded),
  }));
  const some = groups.filter((group) => group.rules.length > 0);
  writeFileSync(join(folder, file), Bun.YAML.stringify(JSON.parse(JSON.stringify({ groups: some })), null, 2));
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function check(...words: string[]): { readonly exitCode: number; readonly text: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(words, { cwd: folder });
  return { exitCode, text: `${stdout.toString()}${stderr.toString()}` };
}

type Series = Readonly<Record<string, string>>;

interface Case {
  readonly fires: Series;
  readonly quiet: Series;
  /** When it must have fired, or not; 20 minutes where it does not say. */
  readonly at?: string;
}

const one = (metric: string, fires: string, quiet: string, at?: string): Case => ({
  fires: { [metric]: fires },
  quiet: { [metric]: quiet },
  ...(at === undefined ? {} : { at }),
});
const MIB = 2 ** 20;

/** By alert: series that make it fire and series that do not, a value a minute; past an hour one every five. */
const CASES: Readonly<Record<string, Case>> = {
  DeadletterDown: one("up", "1x5 0x20", "1x25"),
  DeadletterAbsent: {
    fires: { 'up{job="another"}': "1x30" },
    quiet: { up: "1x30", deadletter_build_info: "1x30" },
  },
  DeadletterOutage: one("deadletter_outage_mode", "0x5 1x20", "0x19 1x1"),
  DeadletterDatabaseDown: {
    fires: { deadletter_database_up: "1x5 0x20", deadletter_outage_mode: "0x25" },
    // Another alert tells of it.
    quiet: { deadletter_database_up: "1x5 0x20", deadletter_outage_mode: "0x5 1x20" },
  },
  DeadletterDatabaseReadOnly: one("deadletter_database_is_replica", "0x5 1x20", "0x25"),
  DeadletterDatabaseSaturated: one('deadletter_database_calls{state="waiting"}', "3x25", "3 0 3 0 3 0 3 0x20"),
  DeadletterLogRefused: one("deadletter_log_refused", "0x5 1x20", "0x25"),
  DeadletterLogQuarantine: one("deadletter_log_quarantined_events", "0x5 1x20", "0x25"),
  DeadletterLogAlarm: one('deadletter_log_alarms_total{kind="stray"}', "0x17 1x8", "1x25"),
  DeadletterLogPending: one("deadletter_log_oldest_pending_seconds", "60x25", "25x25"),
  DeadletterLogUnknown: {
    fires: { deadletter_log_size: "_x25" },
    quiet: { deadletter_log_size: "1x25", deadletter_log_oldest_pending_seconds: "0x25" },
  },
  DeadletterVerifyFailed: one("deadletter_verify_success", "1x5 0x20", "1x25"),
  DeadletterVerifyOld: one("deadletter_verify_timestamp_seconds", "0x340", "80000x340", "28h"),
  DeadletterProbe: one('deadletter_probe_success{job="node"}', "1x5 0x20", "1x25"),
  DeadletterClicksDropped: one('deadletter_clicks_dropped_total{reason="spool_full"}', "0x17 9x8", "9x25"),
  DeadletterClickSpool: {
    fires: { deadletter_clicks_spool_bytes: "60x25", deadletter_clicks_spool_limit_bytes: "100x25" },
    quiet: { deadletter_clicks_spool_bytes: "40x25", deadletter_clicks_spool_limit_bytes: "100x25" },
  },
  DeadletterDisk: {
    fires: { deadletter_disk_free_bytes: "5x25", deadletter_disk_size_bytes: "100x25" },
    quiet: { deadletter_disk_free_bytes: "15x25", deadletter_disk_size_bytes: "100x25" },
  },
  DeadletterDiskSoon: one("deadletter_disk_free_bytes", "1000000-5000x100", "1000000-50x100", "8h"),
  DeadletterWal: one("deadletter_sqlite_wal_bytes", `${600 * MIB}x25`, `${400 * MIB}x25`),
  DeadletterConsumerLag: one('deadletter_consumer_lag_entries{consumer="alerts"}', "20000x25", "500x25"),
  DeadletterReplicationLag: one("deadletter_database_replication_lag_seconds", "60x25", "5x25"),
  DeadletterStandbyLost: one("deadletter_database_standbys", "2x5 1x20", "1x5 2x20"),
  DeadletterSchemaPending: one("deadletter_schema_pending", "1x25", "0x25"),
  DeadletterDescriptors: one('deadletter_connection_guard_total{act="paused"}', "0x17 1x8", "1x25"),
  DeadletterBadKeys: one('deadletter_rate_limited_total{limit="bad-keys"}', "0+1000x25", "0+10x25"),
  DeadletterUncaughtErrors: one("deadletter_uncaught_errors_total", "0x17 1x8", "1x25"),
  DeadletterLogLinesDropped: one("deadletter_log_lines_dropped_total", "0x17 5x8", "5x25"),
  DeadletterWorkerRestarts: one("deadletter_worker_restarts_total", "0x10 5x15", "0x10 1x15"),
};

/** `up` as `up{job="deadletter",instance="a"}`. */
function nameOf(series: string): string {
  if (series.includes("job=")) return series;
  const [, metric, labels] = /^([^{]+)(?:\{(.*)\})?$/.exec(series) ?? [];
  return `${metric}{${[labels, 'job="deadletter"', 'instance="a"'].filter(Boolean).join(",")}}`;
}

interface Asked {
  readonly alert: string;
  readonly more?: string;
  readonly series: Series;
  readonly at: string;
  readonly isFiring: boolean;
  readonly step: Step;
}

function testOf({ alert, more = "", series, at, isFiring, step }: Asked): object {
  const firing = `count(ALERTS{alertname="${alert}",alertstate="firing"${more}}) > bool 0 or vector(0)`;
  return {
    name: `${alert} ${more} ${isFiring ? "fires" : "does not"}`,
    interval: STEPS[step],
    input_series: Object.entries(series).map(([name, values]) => ({ series: nameOf(name), values })),
    promql_expr_test: [{ expr: firing, eval_time: at, exp_samples: [{ labels: "{}", value: Number(isFiring) }] }],
  };
}

function runTests(name: string, asked: readonly Asked[], isNeeded: (rule: Rule) => boolean) {
  const files = Object.entries(Object.groupBy(asked, ({ step }) => step)).map(([step, some]) => {
    const file = join(folder, `${name}.${step}.test.yaml`);
    writeRules(`${name}.${step}.yaml`, step as Step, isNeeded);
    const tests = {
      rule_files: [`${name}.${step}.yaml`],
      evaluation_interval: STEPS[step as Step],
      tests: some.map(testOf),
    };
    writeFileSync(file, Bun.YAML.stringify(JSON.parse(JSON.stringify(tests)), null, 2));
    return file;
  });
  return check("promtool", "test", "rules", ...files);
}

describe.skipIf(Bun.which("promtool") === null)("promtool", () => {
  test("takes the rules", () => {
    writeRules("all.yaml", "minute");
    expect(check("promtool", "check", "rules", "all.yaml")).toMatchObject({ exitCode: 0 });
  });

  test("parses every query of the dashboard", () => {
    const queries = SECTIONS.flatMap(([, panels]) => panels.flatMap((panel) => panel.queries.map(([expr]) => expr)));
    const parsed = queries.map((expr, at) => ({
      record: `query:${at}`,
      expr: expr.replaceAll("$__rate_interval", "5m"),
    }));
    const write = (list: object) =>
      writeFileSync(join(folder, "dashboard.yaml"), JSON.stringify({ groups: [{ name: "all", rules: list }] }));
    write(parsed);
    expect(check("promtool", "check", "rules", "dashboard.yaml")).toMatchObject({ exitCode: 0 });
    write([...parsed, { record: "broken", expr: "sum(rate(up[5m])" }]);
    expect(check("promtool", "check", "rules", "dashboard.yaml").exitCode).not.toBe(0);
  });

  test.each([...ENGINES])("finds nothing wrong in the metrics on %s", async (engine) => {
    const server = await startServer(await createStore(engine));
    await server.call("GET", "/absent");
    const { text } = await server.call("GET", "/metrics");
    await server.close();
    server.store.remove();
    const child = Bun.spawnSync(["promtool", "check", "metrics"], { stdin: Buffer.from(text) });
    expect([child.exitCode, child.stderr.toString()]).toEqual([0, ""]);
  });

  test("there is a case for every alert", () => {
    expect(Object.keys(CASES).toSorted()).toEqual(ALERTS.map(({ name }) => name).toSorted());
  });

  test("each alert fires, and does not where it should not", () => {
    const asked = Object.entries(CASES).flatMap(([alert, { fires, quiet, at = "20m" }]): Asked[] => [
      { alert, series: fires, at, isFiring: true, step: at.endsWith("h") ? "fiveMinutes" : "minute" },
      { alert, series: quiet, at, isFiring: false, step: at.endsWith("h") ? "fiveMinutes" : "minute" },
    ]);
    const isAlert = ({ alert, labels }: Rule) => alert !== undefined && labels?.slo === undefined;
    expect(runTests("alerts", asked, isAlert)).toMatchObject({ exitCode: 0 });
    // The check itself can fail.
    expect(runTests("wrong", [{ ...(asked[0] as Asked), isFiring: false }], isAlert).exitCode).not.toBe(0);
  });

  /** Series of an objective with so many requests a step and this share of them bad. */
  function trafficOf(slo: string, perStep: number, share: number, steps: number): Series {
    const grow = (each: number) => `0+${each}x${steps}`;
    const [bad, good] = [perStep * share, perStep * (1 - share)];
    const series: Readonly<Record<string, Series>> = {
      "redirect-availability": {
        'deadletter_redirects_total{outcome="error"}': grow(bad),
        'deadletter_redirects_total{outcome="found"}': grow(good),
      },
      "redirect-latency": {
        'deadletter_redirect_duration_seconds_bucket{outcome="found",le="0.01"}': grow(good),
        'deadletter_redirect_duration_seconds_count{outcome="found"}': grow(perStep),
      },
      "api-availability": {
        'deadletter_http_requests_total{method="GET",route="/urls",status="503"}': grow(bad),
        'deadletter_http_requests_total{method="GET",route="/urls",status="200"}': grow(good),
        // Checks that fail are an answer.
        'deadletter_http_requests_total{method="GET",route="/readyz",status="503"}': grow(perStep),
      },
      "log-freshness": { deadletter_log_oldest_pending_seconds: `${share > 0.01 ? 60 : 0}x${steps}` },
      "click-loss": {
        'deadletter_clicks_dropped_total{reason="spool_full"}': grow(bad),
        'deadletter_clicks_total{stage="accepted"}': grow(perStep),
      },
    };
    return series[slo] as Series;
  }

  test.each(OBJECTIVES.map(({ name, alert }) => [name, alert]))(
    "the budget of %s: pages, files a ticket, is let be",
    (slo, alert) => {
      const objective = OBJECTIVES.find(({ name }) => name === slo) as Objective;
      const budget = budgetOf(objective, thresholds);
      const ask = (step: Step, severity: string, perStep: number, share: number, isFiring: boolean): Asked => ({
        alert,
        more: `,severity="${severity}"`,
        series: trafficOf(slo, perStep, share, step === "minute" ? 90 : 600),
        at: step === "minute" ? "85m" : "49h",
        isFiring,
        step,
      });
      const counted = [
        ask("minute", "page", 600, 20 * budget, true),
        ask("minute", "page", 600, budget / 2, false),
        ask("minute", "ticket", 600, budget / 2, false),
        // A slow leak: four times what may be spent, for two days.
        ask("fiveMinutes", "ticket", 3_000, 4 * budget, true),
        ask("fiveMinutes", "page", 3_000, 4 * budget, false),
        // Among a handful an hour all may fail.
        ask("minute", "page", 0.1, 1, false),
      ];
      // Late or not, for the whole time.
      const timed = [
        ask("minute", "page", 0, 1, true),
        ask("minute", "page", 0, 0, false),
        ask("fiveMinutes", "ticket", 0, 1, true),
        ask("fiveMinutes", "ticket", 0, 0, false),
        // One late sample of a Prometheus that has just been started.
        {
          ...ask("minute", "page", 0, 0, false),
          series: { deadletter_log_oldest_pending_seconds: "60x2 0x20" },
          at: "5m",
        },
      ];
      const asked = objective.total === undefined ? timed : counted;
      const isOwn = ({ record, labels }: Rule) =>
        (labels?.slo === slo && record !== "deadletter:slo_budget:remaining_ratio") ||
        record === "deadletter:log_late:bool";
      expect(runTests(slo, asked, isOwn)).toMatchObject({ exitCode: 0 });
    },
    120_000,
  );
});

describe.skipIf(Bun.which("amtool") === null)("amtool", () => {
  test("takes the Alertmanager configuration", () => {
    const config = alertmanagerOf({ pageUrl: "http://127.0.0.1:1/page", ticketUrl: "http://127.0.0.1:1/ticket" });
    writeFileSync(join(folder, "alertmanager.yml"), Bun.YAML.stringify(config, null, 2));
    expect(check("amtool", "check-config", "alertmanager.yml")).toMatchObject({ exitCode: 0 });
  });
});
