// A program in a terminal of its own (a pty): keys are typed, and the screen is read as a person would see it.

import { until } from "./harness.ts";

export const ENTER = "\r";
export const DOWN = "\u001b[B";
export const ESCAPE = "\u001b";
export const CTRL_C = "\u0003";
export const CTRL_U = "\u0015";

export interface Typist {
  readonly exited: Promise<number>;
  /** Waits for a text that is written after the last one that was waited for, then types. */
  at(text: string, keys: string): Promise<void>;
  resize(columns: number, rows: number): void;
  /** All that was written, escape sequences included. */
  raw(): string;
}

export function openTerminal(
  command: readonly string[],
  environment: Record<string, string>,
  { columns = 120, rows = 40 }: { readonly columns?: number; readonly rows?: number } = {},
): Typist {
  let raw = "";
  /** Without escape sequences, from the last text on that was waited for. */
  let shown = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn([...command], {
    env: { PATH: process.env.PATH ?? "", HOME: "/nonexistent", TERM: "xterm", NO_COLOR: "1", ...environment },
    terminal: {
      cols: columns,
      rows,
      data: (_, chunk) => {
        const text = decoder.decode(chunk, { stream: true });
        raw += text;
        shown = Bun.stripANSI(shown + text);
      },
    },
  });
  return {
    exited: child.exited,
    async at(text, keys) {
      await until(`the screen shows ${text}; it shows ${shown.slice(-3_000)}`, () => shown.includes(text), 15_000);
      shown = shown.slice(shown.indexOf(text) + text.length);
      child.terminal?.write(keys);
    },
    resize(width, height) {
      child.terminal?.resize(width, height);
    },
    raw: () => raw,
  };
}
