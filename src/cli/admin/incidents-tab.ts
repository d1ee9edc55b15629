// The tab of incidents: which there are, what they took, and takedowns with their undoing.

import pc from "picocolors";
import { messageOf } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { Incident } from "../../model/incident.ts";
import { describeMatch } from "../../model/incident-match.ts";
import { systemClock } from "../../runtime/clock.ts";
import { listIncidents, readReport } from "../incident-requests.ts";
import { INCIDENT_COLUMNS, incidentState } from "../incidents.ts";
import { collect } from "../requests.ts";
import type { Key } from "../screen/keys.ts";
import { factLines, fillLines } from "../screen/layout.ts";
import type { Size } from "../screen/terminal.ts";
import { countOf, printable, thousands } from "../text.ts";
import { exactAndRelative } from "../when.ts";
import { incidentActions } from "./incident-forms.ts";
import { ListPane } from "./list-pane.ts";
import type { Action, Screen, Tab } from "./tab.ts";

const DETAIL_ROWS = 8;

export class IncidentsTab implements Tab {
  readonly title = "Incidents";
  readonly #screen: Screen;
  readonly #list = new ListPane<Incident>(
    () => INCIDENT_COLUMNS,
    () => {},
  );

  /** Of the incident that was entered. */
  #report: { readonly lines: readonly string[]; first: number } | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  async #readReport({ id }: Incident): Promise<void> {
    try {
      const text = await readReport(this.#screen.client, String(id), "markdown");
      this.#report = { lines: text.split("\n").map(printable), first: 0 };
      this.#screen.redraw();
    } catch (error) {
      this.#screen.say(messageOf(error));
    }
  }

  #pressReport(report: { readonly lines: readonly string[]; first: number }, name: string): boolean {
    if (name === "escape" || name === "left") this.#report = undefined;
    const step = { up: -1, k: -1, down: 1, j: 1, pageup: -10, pagedown: 10, home: -1e9 }[name];
    if (step !== undefined) report.first = Math.max(0, Math.min(report.lines.length - 1, report.first + step));
    return step !== undefined || this.#report === undefined;
  }

  async refresh(): Promise<void> {
    this.#list.setRows(await collect(listIncidents(this.#screen.client, LIMITS.screenRows)));
  }

  view({ width, height }: Size): readonly string[] {
    const report = this.#report;
    if (report !== undefined)
      return [pc.dim("‹ Esc: back to the list"), ...report.lines.slice(report.first, report.first + height - 1)];
    const incident = this.#list.selected;
    const list = fillLines(
      this.#list.view(width, height - DETAIL_ROWS, "no incidents; t takes links down"),
      height - DETAIL_ROWS,
    );
    if (incident === undefined) return list;
    const nowMs = systemClock.now();
    return [
      ...list,
      pc.dim("─".repeat(width)),
      pc.bold(`incident ${incident.id}, ${incidentState(incident)}`),
      ...factLines([
        ["reason", printable(incident.reason)],
        ["match", printable(describeMatch(incident.match))],
        ["taken", `${countOf(incident.taken)}, ${thousands(incident.undone)} brought back`],
        ["opened", exactAndRelative(incident.created_at, nowMs)],
        ["updated", exactAndRelative(incident.updated_at, nowMs)],
      ]),
    ];
  }

  cursor(): undefined {
    return undefined;
  }

  press(key: Key): boolean {
    const name = key.type === "key" ? key.name : "";
    if (this.#report !== undefined) return this.#pressReport(this.#report, name);
    if (name === "enter" || name === "right") {
      if (this.#list.selected !== undefined) void this.#readReport(this.#list.selected);
      return true;
    }
    return this.#list.press(key);
  }

  actions(): readonly Action[] {
    return incidentActions(this.#screen, this.#list.selected, (id) => this.#list.select(id));
  }
}
