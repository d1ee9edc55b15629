// The tab of incidents: which there are, what they took, and takedowns with their undoing.

import pc from "picocolors";
import { LIMITS } from "../../limits.ts";
import type { Incident } from "../../model/incident.ts";
import { systemClock } from "../../runtime/clock.ts";
import { listIncidents } from "../incident-requests.ts";
import { describeMatch, INCIDENT_COLUMNS, incidentState } from "../incidents.ts";
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

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  async refresh(): Promise<void> {
    this.#list.setRows(await collect(listIncidents(this.#screen.client, LIMITS.screenRows)));
  }

  view({ width, height }: Size): readonly string[] {
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
    return this.#list.press(key);
  }

  actions(): readonly Action[] {
    return incidentActions(this.#screen, this.#list.selected);
  }
}
