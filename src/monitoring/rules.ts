// Prometheus rules for this release: objectives recorded over their windows, alerts on how fast their budgets are spent, and alerts
// on what is broken. Pure: whoever prints them chooses how.

import { ALERTS } from "./alerts.ts";
import { BUDGET_WINDOW, BURNS, budgetOf, OBJECTIVES, type Objective, WINDOWS } from "./objectives.ts";
import type { Thresholds } from "./thresholds.ts";

export interface RuleOptions {
  readonly job: string;
  /** Where docs/runbook.md is read; each alert links to its heading. */
  readonly runbookUrl: string;
  readonly thresholds: Thresholds;
}

export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly interval?: string; readonly rules: readonly Rule[] }[];
}

const RATIO = "deadletter:slo_errors:ratio";

export function rulesOf(options: RuleOptions): RuleFile {
  const { thresholds } = options;
  const job = selectorOf(options.job);
  const recorded = OBJECTIVES.flatMap((objective) => recordingsOf(objective, options));
  const late: Rule = {
    record: "deadletter:log_late:bool",
    expr: `max by (job) (deadletter_log_oldest_pending_seconds{${job}}) > bool ${thresholds.pendingSeconds}`,
  };
  return {
    groups: [
      { name: "deadletter-objectives", interval: "30s", rules: [late, ...recorded] },
      {
        name: "deadletter-month",
        interval: "10m",
        rules: OBJECTIVES.map((objective) => remainingOf(objective, options)),
      },
      { name: "deadletter-budgets", rules: OBJECTIVES.flatMap((objective) => burnsOf(objective, options)) },
      {
        name: "deadletter-alerts",
        rules: ALERTS.map(({ name, severity, for: pending, summary, expr }) => ({
          alert: name,
          expr: expr(job, thresholds),
          for: pending,
          // A sum over replicas has lost it; without it two deployments would be one to Alertmanager.
          labels: { job: options.job, severity },
          annotations: annotationsOf(name, summary, options.runbookUrl),
        })),
      },
    ],
  };
}

/** `job="deadletter"`. */
export function selectorOf(job: string): string {
  return `job=${JSON.stringify(job)}`;
}

function recordingsOf(objective: Objective, { job: name, thresholds }: RuleOptions): Rule[] {
  const job = selectorOf(name);
  const labels = { job: name, slo: objective.name };
  const budget = budgetOf(objective, thresholds);
  return [
    ...WINDOWS.map((window) => ({ record: `${RATIO}_rate${window}`, expr: objective.errorRatio(window, job), labels })),
    { record: "deadletter:slo_budget:ratio", expr: `vector(${budget})`, labels },
  ];
}

/** Seldom: it reads thirty days of every series. Prometheus must keep as much. */
function remainingOf(objective: Objective, { job, thresholds }: RuleOptions): Rule {
  return {
    record: "deadletter:slo_budget:remaining_ratio",
    expr: `1 - (${objective.errorRatio(BUDGET_WINDOW, selectorOf(job))}) / ${budgetOf(objective, thresholds)}`,
    labels: { job, slo: objective.name },
  };
}

/** One alert that pages and one that can wait, each where the budget is spent fast in a long and in a short window. */
function burnsOf(objective: Objective, { job, runbookUrl, thresholds }: RuleOptions): Rule[] {
  const { name, alert, title } = objective;
  const budget = budgetOf(objective, thresholds);
  return (["page", "ticket"] as const).map((severity) => {
    const burns = BURNS.filter((each) => each.severity === severity).map(({ factor, long, half, short }) => {
      const above = (window: string) =>
        `${RATIO}_rate${window}{${selectorOf(job)},slo="${name}"} > ${Number((factor * budget).toFixed(8))}`;
      // A single failure among few is a large share, and nobody's emergency.
      const isBusy = objective.total && `${objective.total(long, selectorOf(job))} > ${thresholds.leastEvents}`;
      const isKnown = objective.known?.(half, selectorOf(job));
      const guards = [isBusy, isKnown].flatMap((guard) => (guard === undefined ? [] : [` and on () ${guard}`]));
      return [`(${above(long)} and ${above(short)}`, ...guards, ")"].join("");
    });
    const summary = `${title}: the error budget is spent ${severity === "page" ? "so fast that it is gone in days" : "faster than it comes back"}.`;
    return {
      alert,
      expr: burns.join(" or "),
      for: severity === "page" ? "2m" : "15m",
      labels: { job, severity, slo: name },
      annotations: annotationsOf(alert, summary, runbookUrl),
    };
  });
}

function annotationsOf(name: string, summary: string, runbookUrl: string): Readonly<Record<string, string>> {
  return { summary, runbook_url: `${runbookUrl}#${name.toLowerCase()}` };
}
