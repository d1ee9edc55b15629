// What a row of the fault matrix is, and how what was scraped while a fault lasted is held against the alerts.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ALERTS } from "../../src/monitoring/alerts.ts";
import { rulesOf } from "../../src/monitoring/rules.ts";
import { readThresholds } from "../../src/monitoring/thresholds.ts";

export interface Fault {
  readonly name: string;
  readonly store: "PostgreSQL" | "SQLite" | "either";
  /** What clients see. */
  readonly client: string;
  /** Which metric shows it; a dash where none can. */
  readonly metric: string;
  /** Those that fire; every one of them is made to. */
  readonly alerts: readonly string[];
  readonly recovery: string;
  readonly lost: string;
  /** What the machine must have. */
  readonly needs?: "mounts" | "pgbouncer" | "postgresql-15";
  /** Thresholds of the rules that are lower here than anybody would have them, by flag. */
  readonly thresholds?: Readonly<Record<string, string>>;
  /** Whether what was counted goes on being counted for as long as it lasts. */
  readonly isOngoing?: boolean;
  /** Makes it happen, and holds what clients see, what recovers and what is lost. What was scraped before and during it. */
  readonly run: () => Promise<Scrapes>;
}

/** Texts of /metrics; undefined where nothing answered a scrape. */
export interface Scrapes {
  readonly before: string | undefined;
  readonly during: string | undefined;
}

/**
 * Whether Prometheus's own tool lets the alert fire on what was scraped: before for ten minutes, during for forty. Throws what the
 * tool says where it cannot be asked.
 */
export function firesIn(
  folder: string,
  alert: string,
  scrapes: Scrapes,
  { thresholds = {}, isOngoing = false }: Pick<Fault, "thresholds" | "isOngoing">,
): boolean {
  const rules = rulesOf({
    job: "deadletter",
    runbookUrl: "docs/runbook.md",
    thresholds: readThresholds((flag) => thresholds[flag]),
  });
  const expr =
    ALERTS.find(({ name }) => name === alert)?.expr(
      "",
      readThresholds(() => undefined),
    ) ?? "";
  const names = new Set(expr.match(/\b(?:deadletter_\w+|up)\b/g));
  const before = seriesOf(scrapes.before, names);
  const during = seriesOf(scrapes.during, names);
  const input = [...new Set([...before.keys(), ...during.keys()])].map((series) => ({
    series,
    values: `${before.get(series) ?? "_"}x10 ${during.get(series) ?? "_"}${isOngoing ? growthOf(before.get(series), during.get(series)) : ""}x40`,
  }));
  const firing = `count_over_time(ALERTS{alertname="${alert}",alertstate="firing"}[50m])`;
  const test = {
    rule_files: ["rules.yaml"],
    evaluation_interval: "1m",
    tests: [
      {
        interval: "1m",
        input_series: input,
        promql_expr_test: [
          {
            expr: `count(${firing}) > bool 0 or vector(0)`,
            eval_time: "50m",
            exp_samples: [{ labels: "{}", value: 1 }],
          },
        ],
      },
    ],
  };
  writeFileSync(
    join(folder, "rules.yaml"),
    JSON.stringify({ groups: rules.groups.map(({ name, rules: list }) => ({ name, rules: list })) }),
  );
  writeFileSync(join(folder, "fault.yaml"), JSON.stringify(test));
  const { exitCode, stdout, stderr } = Bun.spawnSync(["promtool", "test", "rules", "fault.yaml"], { cwd: folder });
  const text = `${stdout.toString()}${stderr.toString()}`;
  if (exitCode !== 0 && !text.includes("got:")) throw new Error(text);
  return exitCode === 0;
}

/** Counters that grew go on growing. */
function growthOf(before: string | undefined, during: string | undefined): string {
  const growth = Number(during) - Number(before);
  return growth > 0 ? `+${growth}` : "";
}

/** Values by series, as Prometheus would keep them, of these metrics. */
function seriesOf(text: string | undefined, names: ReadonlySet<string>): Map<string, string> {
  const found = new Map<string, string>();
  const own = 'job="deadletter",instance="a"';
  found.set(`up{${own}}`, text === undefined ? "0" : "1");
  for (const [, name = "", labels, value = ""] of (text ?? "").matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm))
    if (names.has(name)) found.set(`${name}{${labels === undefined ? "" : `${labels},`}${own}}`, value);
  return found;
}
