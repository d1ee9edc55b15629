// The tab of events, as they happen: the newest first, and the one that is chosen in full.

import pc from "picocolors";
import type { Event } from "../../model/event.ts";
import { systemClock } from "../../runtime/clock.ts";
import { collect, listEvents } from "../requests.ts";
import type { Key } from "../screen/keys.ts";
import { factLines, fillLines } from "../screen/layout.ts";
import type { Size } from "../screen/terminal.ts";
import { changeLines, changesOf, eventColumns, paintKind } from "../show-event.ts";
import { printable } from "../text.ts";
import { exactAndRelative } from "../when.ts";
import { ListPane } from "./list-pane.ts";
import type { Action, Screen, Tab } from "./tab.ts";

const ROWS = 200;
/** Of the one that is chosen. */
const DETAIL_ROWS = 8;

export class EventsTab implements Tab {
  readonly title = "Events";
  readonly #screen: Screen;
  readonly #list: ListPane<Event>;

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#list = new ListPane(
      () => eventColumns(systemClock.now()).filter(({ isExtra }) => !isExtra),
      () => {},
    );
  }

  async refresh(): Promise<void> {
    const events = await collect(listEvents(this.#screen.client, {}, ROWS));
    const wasAtTop = this.#list.selected === this.#list.rows[0];
    this.#list.setRows(events);
    // Who looks at the newest goes on looking at the newest.
    if (wasAtTop) this.#list.selectFirst();
  }

  view({ width, height }: Size): readonly string[] {
    const detail = height >= DETAIL_ROWS * 2 ? DETAIL_ROWS : 0;
    const list = fillLines(this.#list.view(width, height - detail, "no events yet"), height - detail);
    const event = this.#list.selected;
    return detail === 0 || event === undefined ? list : [...list, ...describe(event, width, detail)];
  }

  cursor(): undefined {
    return undefined;
  }

  press(key: Key): boolean {
    return this.#list.press(key);
  }

  actions(): readonly Action[] {
    return [];
  }
}

function describe(event: Event, width: number, height: number): string[] {
  const lines = [
    pc.dim("─".repeat(width)),
    `${pc.bold(printable(event.subject_name ?? event.subject))} ${paintKind(event.event_type)}, version ${event.version}`,
    ...factLines([
      ["who", printable(event.actor_name ?? "(erased)")],
      ["when", exactAndRelative(event.timestamp, systemClock.now())],
      ...(event.reason === null ? [] : [["reason", printable(event.reason)] as const]),
    ]),
    ...changeLines(changesOf(event), width - 2),
  ];
  return fillLines(lines, height);
}
