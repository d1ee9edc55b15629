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

interface Report {
  readonly incident: Incident;
  readonly lines: readonly string[];
  first: number;
}

export class IncidentsTab implements Tab {
  readonly title = "Incidents";
  readonly #screen: Screen;
  readonly #list = new ListPane<Incident>(
    () => INCIDENT_COLUMNS,
    () => {},
  );

  /** Of the incident that was entered. */
  #report: Report | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  async #readReport(incident: Incident): Promise<void> {
    try {
      const text = await readReport(this.#screen.client, String(incident.id), "markdown");
      // An answer that is late is of an incident that is not looked at any more.
      if (this.#list.selected?.id !== incident.id) return;
      this.#report = { incident, lines: text.split("\n").map(printable), first: 0 };
      this.#screen.redraw();
    } catch (error) {
      this.#screen.say(messageOf(error));
    }
  }

  #pressReport(report: Report, name: string): boolean {
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
    const detail = height >= DETAIL_ROWS * 2 ? DETAIL_ROWS : 0;
    const list = fillLines(
      this.#list.view(width, height - detail, "no incidents; t takes links down"),
      height - detail,
    );
    if (incident === undefined || detail === 0) return list;
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
    const shown = this.#list.rows.find(({ id }) => id === this.#report?.incident.id) ?? this.#list.selected;
    return incidentActions(this.#screen, shown, (id) => {
      this.#report = undefined;
      this.#list.select(id);
    });
  }
}
