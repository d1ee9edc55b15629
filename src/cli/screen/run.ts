// A full screen that only shows: read again and again, drawn in place, left with q, Escape or Ctrl-C. What cannot be read is said, and
// what was read before stays.

import pc from "picocolors";
import { DeadletterError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import { systemClock, type Timer } from "../../runtime/clock.ts";
import { printable } from "../text.ts";
import { fillLines, fit } from "./layout.ts";
import { type Size, Terminal } from "./terminal.ts";

/** Of the shells: 128 and the signal's number. */
export const EXIT_INTERRUPTED = 130;

/** Said of an answer that is none of deadletter's: somebody in between gave it. */
export const STRANGE = "the server did not answer as deadletter does";

/** What a screen says of what could not be read. */
export function troubleOf(error: unknown): string {
  return error instanceof DeadletterError ? printable(error.message) : STRANGE;
}

export interface Show {
  readonly everyMs: number;
  /** Throws what the client throws. */
  read(): Promise<void>;
  view(size: Size): readonly string[];
}

export async function runScreen({ everyMs, read, view }: Show): Promise<number> {
  let trouble: string | undefined;
  let timer: Timer | undefined;
  let isEnded = false;
  let end: (exitCode: number) => void = () => {};
  const terminal = new Terminal({
    onKey(key) {
      const name = key.type === "key" ? key.name : "";
      if (name === "ctrl-c") end(EXIT_INTERRUPTED);
      if (name === "q" || name === "escape") end(0);
      if (name === "ctrl-z") terminal.stop();
      if (name === "ctrl-l") terminal.forget();
      draw();
    },
    onResize: () => draw(),
  });
  const viewOrNothing = (size: Size): readonly string[] => {
    try {
      return view(size);
    } catch {
      trouble = STRANGE;
      return [];
    }
  };
  const draw = () => {
    const { width, height } = terminal.size;
    const lines = fillLines(viewOrNothing({ width, height: height - 1 }), height - 1).map((line) => fit(line, width));
    const status = trouble === undefined ? pc.dim("q leaves") : pc.red(`${trouble}; trying again`);
    terminal.draw([...lines, fit(status, width)]);
  };
  const again = async () => {
    const startedMs = systemClock.monotonic();
    try {
      await read();
      trouble = undefined;
    } catch (error) {
      trouble = troubleOf(error);
    }
    if (isEnded) return;
    draw();
    timer = systemClock.after(
      Math.max(LIMITS.screenPauseMs, everyMs - (systemClock.monotonic() - startedMs)),
      () => void again(),
    );
  };
  const ended = new Promise<number>((resolve) => {
    end = resolve;
  });
  const onSignal = () => end(EXIT_INTERRUPTED);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, onSignal);
  terminal.open();
  draw();
  void again();
  try {
    return await ended;
  } finally {
    isEnded = true;
    systemClock.cancel(timer);
    terminal.close();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(signal, onSignal);
  }
}
