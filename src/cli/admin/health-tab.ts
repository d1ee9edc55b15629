// The tab of the server: its checks, its totals, what it is made of.

import { readStats } from "../requests.ts";
import type { Size } from "../screen/terminal.ts";
import { describeReadiness, describeStats, readReadiness } from "../server-status.ts";
import type { Action, Screen, Tab } from "./tab.ts";

export class HealthTab implements Tab {
  readonly title = "Health";
  readonly #screen: Screen;
  #lines: readonly string[] = [];

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  async refresh(): Promise<void> {
    const { client } = this.#screen;
    const [readiness, stats] = await Promise.all([readReadiness(client), readStats(client)]);
    this.#lines = `${describeReadiness(readiness)}\n${describeStats(stats)}`.split("\n");
  }

  view({ height }: Size): readonly string[] {
    return this.#lines.slice(0, height);
  }

  cursor(): undefined {
    return undefined;
  }

  press(): boolean {
    return false;
  }

  actions(): readonly Action[] {
    return [];
  }
}
