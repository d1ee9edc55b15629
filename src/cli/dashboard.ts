// dashboard: how a server does, on a full screen that is drawn in place; with --once, said once. It asks the server once a second at
// the most: for its metrics, and for its newest events, in turn.

import { DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Event } from "../model/event.ts";
import { sleep, systemClock } from "../runtime/clock.ts";
import { asOurs, type Client, connect, getBytes } from "./client.ts";
import { CLIENT_SETTINGS, type Command, type Input, type Io } from "./command.ts";
import { type Reading, readDashboard, type Scrape } from "./dashboard/reading.ts";
import { dashboardLines, dashboardText, type Shown } from "./dashboard/view.ts";
import { tableOf } from "./listing.ts";
import { print } from "./output.ts";
import { collect, listEvents } from "./requests.ts";
import { readSamples } from "./samples.ts";
import { runScreen } from "./screen/run.ts";
import { eventColumns } from "./show-event.ts";
import { printable } from "./text.ts";

const EVENT_ROWS = 50;
/** Of what is said once on a terminal. */
const ONCE_ROWS = 30;

export const dashboardCommand: Command = {
  name: "dashboard",
  summary:
    "Show how a server does on a full screen: redirects, latency, errors and budget, cache, outage, links, newest events, log, database. q leaves.",
  args: [],
  flags: [{ name: "once", help: "say it once, and end; with --json for programs" }],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter dashboard --profile prod", "deadletter dashboard --once --json | jq .redirects.p99_ms"],
  async run(input, io) {
    if (!input.isOn("once") && !input.mayAsk)
      throw new DeadletterError("bad_request", "dashboard needs a terminal on standard input and output", {
        hint: "in scripts use dashboard --once --json, stats or metrics",
      });
    const client = await connect(input.config);
    const watch = new Watch(client, input.config.server?.replace(/^https?:\/\//, "") ?? "this host");
    try {
      return input.isOn("once") ? await once(watch, input, io) : await live(watch);
    } finally {
      await client.close();
    }
  },
};

async function once(watch: Watch, input: Input, io: Io): Promise<number> {
  await watch.scrape();
  await sleep(systemClock, LIMITS.dashboardAskMs);
  await watch.readEvents();
  await sleep(systemClock, LIMITS.dashboardAskMs);
  const reading = await watch.scrape();
  print(io, input, { ...reading, events: watch.events.slice(0, 10) }, () => {
    const shown = watch.shown(reading);
    if (io.width === undefined)
      return `${dashboardText(shown)}\n${tableOf(io, eventColumns(shown.nowMs), shown.events)}`;
    const lines = dashboardLines(shown, { width: io.width, height: ONCE_ROWS });
    return `${lines.join("\n").trimEnd()}\n`;
  });
  return 0;
}

function live(watch: Watch): Promise<number> {
  let turn = 0;
  let reading: Reading | undefined;
  return runScreen({
    everyMs: LIMITS.dashboardAskMs,
    // The first two scrapes give the first rates; then events have their turn.
    async read() {
      if (turn++ % 2 === 0 || reading === undefined) reading = await watch.scrape();
      else await watch.readEvents();
    },
    view: (size) => (reading === undefined ? ["reading ..."] : dashboardLines(watch.shown(reading), size)),
  });
}

/** What is known of the server so far. */
class Watch {
  readonly #client: Client;
  readonly #place: string;
  readonly #rates: number[] = [];
  #before: Scrape | undefined;
  events: readonly Event[] = [];

  constructor(client: Client, place: string) {
    this.#client = client;
    this.#place = printable(place);
  }

  async scrape(): Promise<Reading> {
    const text = new TextDecoder().decode(await getBytes(this.#client, "/metrics", 0));
    const now: Scrape = { atMs: systemClock.now(), samples: readSamples(text) };
    if (now.samples.length === 0) throw asOurs(text);
    const reading = readDashboard(this.#before ?? now, now);
    if (this.#before !== undefined) this.#rates.push(reading.redirects.per_second);
    if (this.#rates.length > LIMITS.dashboardPoints) this.#rates.shift();
    this.#before = now;
    return reading;
  }

  async readEvents(): Promise<void> {
    this.events = await collect(listEvents(this.#client, {}, EVENT_ROWS));
  }

  shown(reading: Reading): Shown {
    return { place: this.#place, reading, rates: this.#rates, events: this.events, nowMs: systemClock.now() };
  }
}
