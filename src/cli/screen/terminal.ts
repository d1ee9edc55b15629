// A terminal that a program has for itself: the alternate screen, keys as they are pressed, only what changed is written, and
// everything as it was on every way out. Owned by one program at a time.

import { LIMITS } from "../../limits.ts";
import { systemClock, type Timer } from "../../runtime/clock.ts";
import { writeToTerminal } from "../../runtime/terminal.ts";
import { type Key, KeyDecoder } from "./keys.ts";

const ENTER = "\u001b[?1049h\u001b[?25l\u001b[?2004h\u001b[2J";
const LEAVE = "\u001b[?2004l\u001b[?25h\u001b[0m\u001b[?1049l";
const SHOW_CURSOR = "\u001b[?25h";
/** What is between them appears at once, where the terminal knows how (synchronized output). */
const BEGIN_FRAME = "\u001b[?2026h";
const END_FRAME = "\u001b[?2026l";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Cursor {
  readonly row: number;
  readonly column: number;
}

interface Handlers {
  readonly onKey: (key: Key) => void;
  readonly onResize: () => void;
}

export class Terminal {
  readonly #handlers: Handlers;
  readonly #decoder = new KeyDecoder();
  #shown: string[] = [];
  #isOpen = false;
  #escapeTimer: Timer | undefined;
  /** Restores the terminal whatever ends the process. */
  readonly #onExit = () => this.#leave();

  constructor(handlers: Handlers) {
    this.#handlers = handlers;
  }

  get size(): Size {
    return {
      width: Math.max(LIMITS.screenColumnsLeast, process.stdout.columns || 80),
      height: Math.max(LIMITS.screenRowsLeast, process.stdout.rows || 24),
    };
  }

  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#shown = [];
    process.on("exit", this.#onExit);
    process.stdout.on("resize", this.#onResize);
    process.on("SIGCONT", this.#onContinue);
    process.stdin.setRawMode(true);
    process.stdin.on("data", this.#onData);
    process.stdin.resume();
    writeToTerminal(ENTER);
  }

  close(): void {
    if (!this.#isOpen) return;
    process.off("exit", this.#onExit);
    process.stdout.off("resize", this.#onResize);
    process.off("SIGCONT", this.#onContinue);
    process.stdin.off("data", this.#onData);
    process.stdin.pause();
    systemClock.cancel(this.#escapeTimer);
    this.#leave();
  }

  /** As Ctrl-Z does everywhere else: the terminal is the shell's until this process goes on. */
  stop(): void {
    this.close();
    process.once("SIGCONT", () => {
      this.open();
      this.#handlers.onResize();
    });
    process.kill(process.pid, "SIGSTOP");
  }

  /** Also where a form had the terminal when all ended. */
  restore(): void {
    this.close();
    writeToTerminal(SHOW_CURSOR);
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
  }

  /** Runs what needs the terminal as it is usually, such as a form, and comes back whatever becomes of it. */
  async suspend<Result>(run: () => Promise<Result>): Promise<Result> {
    this.close();
    try {
      return await run();
    } finally {
      this.open();
    }
  }

  /** Shows these lines, one a row, each already as wide as it may be. */
  draw(lines: readonly string[], cursor?: Cursor): void {
    if (!this.#isOpen) return;
    const { height } = this.size;
    let text = "";
    for (let row = 0; row < height; row++) {
      const line = lines[row] ?? "";
      if (line === this.#shown[row]) continue;
      text += `\u001b[${row + 1};1H${line}\u001b[0m\u001b[K`;
      this.#shown[row] = line;
    }
    const place = cursor === undefined ? "\u001b[?25l" : `\u001b[${cursor.row + 1};${cursor.column + 1}H\u001b[?25h`;
    writeToTerminal(`${BEGIN_FRAME}${text}${place}${END_FRAME}`);
  }

  /** Everything is written anew with the next frame: somebody else may have written over it. */
  forget(): void {
    this.#shown = [];
  }

  #leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    writeToTerminal(LEAVE);
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
  }

  readonly #onResize = () => {
    this.forget();
    writeToTerminal("\u001b[2J");
    this.#handlers.onResize();
  };

  /** Whoever stopped this process has had the terminal since. */
  readonly #onContinue = () => {
    // It believes that the terminal is still as it was left.
    process.stdin.setRawMode(false);
    process.stdin.setRawMode(true);
    writeToTerminal(ENTER);
    this.#onResize();
  };

  readonly #onData = (bytes: Uint8Array) => {
    systemClock.cancel(this.#escapeTimer);
    this.#tell(this.#decoder.feed(bytes));
    if (this.#decoder.isWaiting)
      this.#escapeTimer = systemClock.after(LIMITS.escapeMs, () => this.#tell(this.#decoder.flush()));
  };

  #tell(keys: readonly Key[]): void {
    for (const key of keys) {
      // What was typed ahead of a form that opens must not do anything on the screen behind it.
      if (!this.#isOpen) return;
      this.#handlers.onKey(key);
    }
  }
}
