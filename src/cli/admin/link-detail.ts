// One link in full: its facts, a plot of its clicks, whether its newest event can be proven, and its history with what changed.

import pc from "picocolors";
import { DeadletterError } from "../../errors.ts";
import type { LinkWithHistory, ListedLink } from "../../http/links.ts";
import { LIMITS } from "../../limits.ts";
import type { Event } from "../../model/event.ts";
import { systemClock, type Timer } from "../../runtime/clock.ts";
import { dailyClicks } from "../clicks.ts";
import { isProven, showLink } from "../requests.ts";
import type { Key } from "../screen/keys.ts";
import { factLines, fillLines } from "../screen/layout.ts";
import { changeLines, changesOf, paintKind } from "../show-event.ts";
import { paintState, stateOf } from "../show-link.ts";
import { cutMiddle, plotLines, printable, thousands } from "../text.ts";
import { relativeTime } from "../when.ts";
import type { Screen } from "./tab.ts";

const PLOT_ROWS = 3;

interface Shown {
  readonly link: LinkWithHistory;
  readonly days: readonly number[];
  /** Undefined where it could not be asked. */
  readonly isProven: boolean | undefined;
}

export class LinkDetail {
  readonly #screen: Screen;
  #selected: ListedLink | undefined;
  #shown: Shown | undefined;
  #trouble: string | undefined;
  #first = 0;
  #timer: Timer | undefined;

  readonly #onRead: (link: LinkWithHistory) => void;

  constructor(screen: Screen, onRead: (link: LinkWithHistory) => void) {
    this.#screen = screen;
    this.#onRead = onRead;
  }

  /** Shows another link, and reads it when the selection has stopped moving. */
  select(link: ListedLink | undefined): void {
    if (link?.id !== this.#selected?.id) {
      this.#first = 0;
      this.#trouble = undefined;
      systemClock.cancel(this.#timer);
      this.#timer = systemClock.after(LIMITS.searchPauseMs, () => {
        void this.refresh().then(
          () => this.#screen.redraw(),
          () => {},
        );
      });
    }
    this.#selected = link;
  }

  async refresh(): Promise<void> {
    const link = this.#selected;
    if (link === undefined) return;
    try {
      const shown = await this.#read(String(link.id));
      if (link.id !== this.#selected?.id) return;
      this.#shown = shown;
      this.#onRead(shown.link);
      this.#trouble = undefined;
    } catch (error) {
      if (!(error instanceof DeadletterError) || error.code === "unavailable") throw error;
      if (link.id === this.#selected?.id) this.#trouble = printable(error.message);
    }
  }

  async #read(name: string): Promise<Shown> {
    const { client } = this.#screen;
    const [link, days] = await Promise.all([showLink(client, name), dailyClicks(client, name)]);
    const newest = link.events?.at(-1);
    return { link, days, isProven: newest !== undefined && (await isProven(client, newest.id)) };
  }

  press(key: Key): boolean {
    const step =
      key.type === "key"
        ? { up: -1, k: -1, down: 1, j: 1, pageup: -10, pagedown: 10, home: -1e9 }[key.name]
        : undefined;
    if (step === undefined) return false;
    this.#first = Math.max(0, this.#first + step);
    return true;
  }

  view(width: number, height: number): readonly string[] {
    const selected = this.#selected;
    if (selected === undefined) return [];
    if (this.#trouble !== undefined) return [pc.red(this.#trouble)];
    const shown = this.#shown?.link.id === selected.id ? this.#shown : undefined;
    const lines = describe(
      shown ?? { link: selected, days: [], isProven: false },
      selected,
      width,
      shown === undefined,
    );
    this.#first = Math.min(this.#first, Math.max(0, lines.length - height));
    return fillLines(lines.slice(this.#first), height);
  }
}

function describe({ link, days, isProven }: Shown, { owner }: ListedLink, width: number, isReading: boolean): string[] {
  const nowMs = systemClock.now();
  const room = Math.max(10, width - 10);
  const when = (text: string) => `${relativeTime(text, nowMs)} ${pc.dim(text.slice(0, 16).replace("T", " "))}`;
  const facts: (readonly [string, string] | undefined)[] = [
    ["target", cutMiddle(printable(link.original_url), room)],
    link.title === "" ? undefined : ["title", printable(link.title)],
    ["state", paintState(stateOf(link, nowMs))],
    link.tags.length === 0 ? undefined : ["tags", pc.cyan(link.tags.map(printable).join(", "))],
    ["owner", printable(owner ?? (link.user_id === null ? "-" : `user ${link.user_id}`))],
    link.starts_at === null ? undefined : ["starts", when(link.starts_at)],
    link.expires_at === null ? undefined : ["expires", when(link.expires_at)],
    link.forward === "none" ? undefined : ["forwards", `${link.forward}, ${link.query_wins} wins`],
    link.status === 302 ? undefined : ["status", String(link.status)],
    link.incident_id === null ? undefined : ["incident", pc.yellow(`down for incident ${link.incident_id}`)],
    ["created", when(link.created_at)],
    ["version", String(link.version)],
    [
      "proof",
      isReading || isProven === undefined
        ? "…"
        : isProven
          ? pc.green("in the signed log")
          : pc.yellow("on its way into the log"),
    ],
    ["clicks", thousands(link.clicks ?? 0)],
  ];
  const plot = days.some((clicks) => clicks > 0)
    ? [
        ...plotLines(days, PLOT_ROWS).map((line) => pc.cyan(line)),
        pc.dim(`${days.length} days to today, at most ${thousands(Math.max(...days))}`),
      ]
    : [];
  return [
    pc.bold(printable(link.short_url)),
    ...factLines(facts.filter((fact) => fact !== undefined)),
    ...plot,
    "",
    pc.bold("History"),
    ...(isReading
      ? [pc.dim("…")]
      : [...(link.events ?? [])].reverse().flatMap((event) => eventLines(event, width, nowMs))),
  ];
}

function eventLines(event: Event, width: number, nowMs: number): string[] {
  const who = printable(event.actor_name ?? "(erased)");
  const head = `${pc.dim(`v${event.version}`)} ${paintKind(event.event_type)} ${who} ${pc.dim(relativeTime(event.timestamp, nowMs))}`;
  const reason = event.reason === null ? [] : [`   ${pc.dim(`"${printable(event.reason)}"`)}`];
  // What the kind of the event says already is left out.
  const changes = Object.entries(changesOf(event)).filter(
    ([field]) => event.event_type !== "created" && event.event_type !== "imported" && field !== "is_active",
  );
  return [
    head,
    ...reason,
    ...changeLines(Object.fromEntries(changes), Math.max(10, width - 4)).map((line) => `   ${line}`),
  ];
}
