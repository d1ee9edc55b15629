// The dashboard as lines of a screen, or of a pipe. Pure, but for colours.

import pc from "picocolors";
import type { Event } from "../../model/event.ts";
import { fillLines, fit } from "../screen/layout.ts";
import { eventColumns } from "../show-event.ts";
import { facts, TableWriter } from "../table.ts";
import { byteCount, plotLines, thousands } from "../text.ts";
import { duration } from "../when.ts";
import type { Reading } from "./reading.ts";

const PLOT_ROWS = 4;
/** Narrower than this, what stands side by side stands one below the other. */
const TWO_COLUMNS = 90;

export interface Shown {
  readonly place: string;
  readonly reading: Reading;
  /** Redirects a second, the oldest first. */
  readonly rates: readonly number[];
  readonly events: readonly Event[];
  readonly nowMs: number;
}

export function dashboardLines(
  shown: Shown,
  { width, height }: { readonly width: number; readonly height: number },
): string[] {
  const { reading, rates, place, nowMs } = shown;
  const head =
    fit(`${pc.bold("deadletter")} ${pc.dim(place)}`, Math.max(10, width - 20)) +
    pc.dim(reading.at.slice(11, 19).padStart(20));
  const plotWidth = Math.max(10, width - 2);
  const recent = rates.slice(-plotWidth);
  const plot = plotLines([...Array.from({ length: plotWidth - recent.length }, () => 0), ...recent], PLOT_ROWS);
  const known = columnsOf([redirectFacts(reading), stateFacts(reading)], width);
  const before = [
    head,
    `${pc.bold("Redirects")}  ${rate(reading.redirects.per_second)}/s ${pc.dim(`highest ${rate(Math.max(0, ...recent))}/s in ${duration(recent.length * 2_000) ?? "0 s"}`)}`,
    ...plot.map((line) => pc.cyan(line)),
    ...known,
    "",
  ];
  const room = Math.max(0, height - before.length);
  const events = shown.events.slice(0, Math.max(0, room - 1));
  if (events.length === 0) return fillLines(before, height);
  const columns = eventColumns(nowMs).filter(({ isExtra }) => !isExtra);
  const table = new TableWriter(columns, { width, nowMs });
  const lines = `${table.header(events)}${table.lines(events)}`.trimEnd().split("\n");
  return fillLines([...before, ...lines], height);
}

/** The same for a pipe: facts alone, and nothing is cut. */
export function dashboardText({ place, reading }: Pick<Shown, "place" | "reading">): string {
  const { redirects, at } = reading;
  return facts([
    ["server", `${place} at ${at}`],
    ["redirects", `${rate(redirects.per_second)}/s, ${thousands(redirects.total)} since the start`],
    ...redirectFacts(reading),
    ...stateFacts(reading),
  ]);
}

type Fact = readonly [name: string, value: string];

function redirectFacts({ redirects, cache, outage, clicks }: Reading): readonly Fact[] {
  const { p50_ms, p99_ms, errors_per_second, error_ratio, budget_left } = redirects;
  const budget = `${Math.round(budget_left * 1000) / 10} %`;
  return [
    [
      "latency",
      p99_ms === null ? "-" : `p50 ${milliseconds(p50_ms)}, p99 ${warnIf(p99_ms > 10, milliseconds(p99_ms))}`,
    ],
    [
      "errors",
      warnIf(
        errors_per_second > 0,
        `${rate(errors_per_second)}/s; ${(error_ratio * 100).toFixed(3)} % since the start`,
      ),
    ],
    ["budget", `${budget_left < 0.25 ? pc.red(budget) : pc.green(budget)} left of what may fail since the start`],
    [
      "cache",
      `${cache.hit_ratio === null ? "-" : `${(cache.hit_ratio * 100).toFixed(1)} % hits`}, ${thousands(cache.links)} links, ${byteCount(cache.bytes)}`,
    ],
    [
      "outage",
      outage.is_on
        ? pc.red("NOW: known links redirect from memory")
        : `${pc.green("none")}; ${Math.round(outage.seconds)} s since the start`,
    ],
    [
      "clicks",
      `${thousands(clicks.recorded)} recorded, ${thousands(clicks.waiting)} wait, ${warnIf(clicks.dropped > 0, `${thousands(clicks.dropped)} dropped`)}`,
    ],
  ];
}

function stateFacts({ links, log, database, workers }: Reading): readonly Fact[] {
  const count = (value: number | null) => (value === null ? "-" : thousands(value));
  const backlog = `${count(log.backlog)} wait${(log.oldest_pending_seconds ?? 0) >= 1 ? `, the oldest ${Math.round(log.oldest_pending_seconds ?? 0)} s` : ""}`;
  const trouble = log.is_refused
    ? pc.red("; REFUSED")
    : (log.quarantined ?? 0) > 0
      ? pc.red(`; ${count(log.quarantined)} FALSE`)
      : "";
  return [
    ["links", `${count(links.active)} active, ${count(links.inactive)} inactive`],
    ["log", `${count(log.size)} entries, ${warnIf((log.oldest_pending_seconds ?? 0) > 5, backlog)}${trouble}`],
    [
      "database",
      database.is_up
        ? `${pc.green("up")}, ${count(database.active)} of ${count(database.size)} in use, ${warnIf((database.waiting ?? 0) > 0, `${count(database.waiting)} wait`)}`
        : pc.red("DOWN"),
    ],
    ["commit", database.commit_p99_ms === null ? "-" : `p99 ${milliseconds(database.commit_p99_ms)}`],
    ["processes", count(workers ?? 1)],
  ];
}

function columnsOf(columns: readonly (readonly Fact[])[], width: number): string[] {
  const texts = columns.map((rows) => {
    const most = Math.max(...rows.map(([name]) => name.length));
    return rows.map(([name, value]) => `${pc.dim(name.padEnd(most))}  ${value}`);
  });
  if (width < TWO_COLUMNS) return texts.flat();
  const half = Math.floor(width / 2);
  const rows = Math.max(...texts.map((lines) => lines.length));
  return Array.from({ length: rows }, (_, row) => texts.map((lines) => fit(lines[row] ?? "", half - 1)).join(" "));
}

function rate(value: number): string {
  return value >= 100 ? thousands(value) : String(Math.round(value * 10) / 10);
}

function milliseconds(ms: number | null): string {
  if (ms === null) return "-";
  return ms >= 100 ? `${Math.round(ms)} ms` : `${ms.toFixed(ms >= 10 ? 1 : 2)} ms`;
}

function warnIf(isWrong: boolean, text: string): string {
  return isWrong ? pc.yellow(text) : text;
}
