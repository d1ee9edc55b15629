// The admin screen itself: tabs, the keys that mean the same everywhere, reading again and again what is shown, and what is said
// of it. A server that is slow, or lost, takes nothing away from what is on the screen.

import pc from "picocolors";
import { DeadletterError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { isAtLeast, type Role } from "../../model/role.ts";
import { systemClock, type Timer } from "../../runtime/clock.ts";
import type { Client } from "../client.ts";
import type { Key } from "../screen/keys.ts";
import { box, fillLines, fit, overlay } from "../screen/layout.ts";
import { EXIT_INTERRUPTED, STRANGE, troubleOf } from "../screen/run.ts";
import { type Cursor, type Size, Terminal } from "../screen/terminal.ts";
import { printable } from "../text.ts";
import { Cancelled } from "./ask.ts";
import { Palette } from "./palette.ts";
import type { Action, Screen, Tab } from "./tab.ts";

const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const;

export interface AppOptions {
  readonly client: Client;
  readonly role: Role;
  /** Where this works, and as whom. */
  readonly place: string;
  readonly tabs: (screen: Screen) => readonly Tab[];
}

export class AdminApp implements Screen {
  readonly client: Client;
  readonly #place: string;
  readonly #role: Role;
  readonly #tabs: readonly Tab[];
  readonly #terminal: Terminal;
  #current = 0;
  #palette: Palette | undefined;
  #isHelpShown = false;
  #isFormOpen = false;
  #message = "";
  /** What the server was last found to lack, as long as it does. */
  #trouble: string | undefined;
  /** Of the reading that is under way; one that is older than this is not waited for any more. */
  #reading = 0;
  #readingSinceMs: number | undefined;
  /** Somebody does not want to wait: nothing is read until it is asked for. */
  #isPaused = false;
  #refreshTimer: Timer | undefined;
  #spinTimer: Timer | undefined;
  #finish: (exitCode: number) => void = () => {};
  /** Of a defect, which ends the program. */
  #break: (error: unknown) => void = () => {};

  constructor({ client, role, place, tabs }: AppOptions) {
    this.client = client;
    this.#role = role;
    this.#place = place;
    this.#terminal = new Terminal({ onKey: (key) => this.#press(key), onResize: () => this.redraw() });
    this.#tabs = tabs(this);
  }

  /** Resolves with the exit code once somebody leaves. */
  async run(): Promise<number> {
    const ended = new Promise<number>((resolve, reject) => {
      this.#finish = resolve;
      this.#break = reject;
    });
    const onSignal = () => this.#finish(EXIT_INTERRUPTED);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, onSignal);
    this.#terminal.open();
    this.#spinTimer = systemClock.every(LIMITS.screenSpinnerMs, () => {
      if (this.#isSlow()) this.redraw();
    });
    try {
      this.redraw();
      this.reload();
      return await ended;
    } finally {
      systemClock.cancel(this.#spinTimer);
      systemClock.cancel(this.#refreshTimer);
      this.#terminal.restore();
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(signal, onSignal);
    }
  }

  say(text: string): void {
    this.#message = printable(text);
    this.redraw();
  }

  reload(): void {
    this.#isPaused = false;
    void this.#read({ isWhole: true });
  }

  form(run: () => Promise<string>): void {
    if (this.#isFormOpen) return;
    this.#isFormOpen = true;
    systemClock.cancel(this.#refreshTimer);
    void this.#terminal
      .suspend(run)
      .then(
        (said) => said,
        (error: unknown) => {
          if (error instanceof Cancelled) return "cancelled; nothing was changed";
          if (error instanceof DeadletterError) return `not done: ${error.message}`;
          throw error;
        },
      )
      .then((said) => {
        this.#isFormOpen = false;
        this.#message = printable(said);
        this.redraw();
        this.reload();
      })
      .catch((error: unknown) => this.#break(error));
  }

  /** What the tab in front offers that this key's role may do. */
  get #actions(): readonly Action[] {
    return this.#tab.actions().filter(({ needs }) => needs === undefined || isAtLeast(this.#role, needs));
  }

  get #tab(): Tab {
    return this.#tabs[this.#current] as Tab;
  }

  async #read({ isWhole }: { readonly isWhole: boolean }): Promise<void> {
    const tab = this.#tab;
    const reading = ++this.#reading;
    systemClock.cancel(this.#refreshTimer);
    this.#readingSinceMs = systemClock.monotonic();
    try {
      await tab.refresh(isWhole);
      if (reading === this.#reading) this.#trouble = undefined;
    } catch (error) {
      if (reading === this.#reading) this.#trouble = troubleOf(error);
    }
    if (reading !== this.#reading) return;
    this.#readingSinceMs = undefined;
    this.redraw();
    this.#refreshTimer = systemClock.after(LIMITS.screenRefreshMs, () => {
      if (!this.#isPaused && !this.#isFormOpen) void this.#read({ isWhole: false });
    });
  }

  #isSlow(): boolean {
    return (
      this.#readingSinceMs !== undefined && systemClock.monotonic() - this.#readingSinceMs >= LIMITS.screenSpinnerMs
    );
  }

  #press(key: Key): void {
    const name = key.type === "key" ? key.name : "";
    this.#message = "";
    if (name === "ctrl-c") this.#finish(EXIT_INTERRUPTED);
    else if (name === "ctrl-z") this.#terminal.stop();
    else if (this.#isHelpShown) this.#isHelpShown = false;
    else if (this.#palette !== undefined) this.#pressPalette(this.#palette, key);
    else if (this.#tab.cursor() !== undefined) this.#tab.press(key);
    else this.#pressShortcut(key, name);
    this.redraw();
  }

  #pressPalette(palette: Palette, key: Key): void {
    const chosen = palette.press(key);
    if (chosen === undefined) return;
    this.#palette = undefined;
    chosen?.run();
  }

  #pressShortcut(key: Key, name: string): void {
    if (name === "escape" && this.#isSlow()) this.#stopWaiting();
    else if (!this.#tab.press(key))
      [...this.#actions, ...this.#ownActions()].find((action) => action.key === name)?.run();
  }

  #stopWaiting(): void {
    this.#reading += 1;
    this.#readingSinceMs = undefined;
    this.#isPaused = true;
    this.say("not waiting any more; r reads again");
  }

  #ownActions(): readonly Action[] {
    const go = (index: number) => () => {
      this.#current = index;
      this.reload();
    };
    const next = (step: number) => go((this.#current + step + this.#tabs.length) % this.#tabs.length);
    return [
      ...this.#tabs.map(({ title }, index) => ({ key: String(index + 1), name: `Go to ${title}`, run: go(index) })),
      { key: "tab", name: "Next tab", run: () => next(1)() },
      { key: "backtab", name: "Tab before", run: () => next(-1)() },
      { key: "r", name: "Read again", run: () => this.reload() },
      { key: ":", name: "All actions", run: () => this.#openPalette() },
      { key: "ctrl-k", name: "All actions", run: () => this.#openPalette() },
      {
        key: "?",
        name: "Keys",
        run: () => {
          this.#isHelpShown = true;
        },
      },
      { key: "ctrl-l", name: "Draw anew", run: () => this.#terminal.forget() },
      { key: "q", name: "Quit", run: () => this.#finish(0) },
    ];
  }

  #openPalette(): void {
    this.#palette = new Palette([...this.#actions, ...this.#ownActions()].filter(({ name }) => name !== "All actions"));
  }

  redraw(): void {
    if (this.#isFormOpen) return;
    const size = this.#terminal.size;
    const inner = { width: size.width, height: size.height - 3 };
    const body = fillLines(this.#viewTab(inner), inner.height).map((line) => fit(line, size.width));
    const whole = [this.#titleLine(size), ...body, this.#statusLine(size), this.#keysLine(size)];
    const over = this.#isHelpShown ? this.#helpBox(size) : this.#palette?.view(size);
    const cursor = this.#tab.cursor();
    const place: Cursor | undefined = cursor && over === undefined ? { ...cursor, row: cursor.row + 1 } : undefined;
    this.#terminal.draw(over === undefined ? whole : overlay(whole, over, size), place);
  }

  #viewTab(size: Size): readonly string[] {
    try {
      return this.#tab.view(size);
    } catch {
      this.#trouble = STRANGE;
      return [];
    }
  }

  #titleLine({ width }: Size): string {
    const tabs = this.#tabs.map(({ title }, index) => {
      const label = ` ${index + 1} ${title} `;
      return index === this.#current ? pc.inverse(label) : label;
    });
    const line = tabs.join("");
    const room = width - Bun.stringWidth(line) - 1;
    const place = Bun.stringWidth(this.#place) > room ? "" : pc.dim(this.#place);
    return fit(`${line}${" ".repeat(Math.max(1, room - Bun.stringWidth(place)))}${place}`, width);
  }

  #statusLine({ width }: Size): string {
    const spinner = SPINNER[Math.floor(systemClock.monotonic() / LIMITS.screenSpinnerMs) % SPINNER.length] ?? "";
    const waiting = this.#isSlow() ? `${spinner} waiting for the server; Esc stops waiting` : "";
    const trouble = this.#trouble === undefined ? "" : pc.red(`${this.#trouble}; trying again`);
    return fit([waiting, trouble, this.#message].filter((text) => text !== "").join("  "), width);
  }

  #keysLine({ width }: Size): string {
    const own = [
      { key: ":", name: "all actions" },
      { key: "?", name: "keys" },
      { key: "q", name: "quit" },
    ];
    const shown = this.#actions.filter(({ key }) => key !== undefined);
    const say = (actions: readonly { readonly key?: string; readonly name: string }[]) =>
      actions.map(({ key = "", name }) => `${pc.bold(key)} ${pc.dim(name.toLowerCase())}`).join("  ");
    const always = say(own);
    const room = width - Bun.stringWidth(always) - 2;
    return fit(room > 0 ? `${fit(say(shown), room)}  ${always}` : always, width);
  }

  #helpBox({ width, height }: Size): string[] {
    const actions = [...this.#actions, ...this.#ownActions()].filter(({ key }) => key !== undefined);
    const lines = [
      ...actions.map(({ key = "", name }) => `${pc.bold(key.padEnd(8))} ${name}`),
      `${pc.bold("ctrl-c".padEnd(8))} Leave at once`,
    ];
    return box("Keys", lines.slice(0, height - 4), Math.min(60, width - 2));
  }
}
