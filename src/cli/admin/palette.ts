// The palette: every action that there is now, found by typing a part of its name.

import pc from "picocolors";
import { LIMITS } from "../../limits.ts";
import type { Key } from "../screen/keys.ts";
import { box, choose, scrollTo } from "../screen/layout.ts";
import type { Size } from "../screen/terminal.ts";
import { TextField } from "../screen/text-field.ts";
import type { Action } from "./tab.ts";

const WIDTH = 56;

export class Palette {
  readonly #actions: readonly Action[];
  readonly #field = new TextField(LIMITS.searchChars);
  #chosen = 0;
  #first = 0;

  constructor(actions: readonly Action[]) {
    this.#actions = actions;
  }

  /** The action that was chosen, or null where the palette is to be closed without one. */
  press(key: Key): Action | null | undefined {
    if (key.type === "key") {
      if (key.name === "escape" || key.name === "ctrl-k") return null;
      const found = this.#found();
      if (key.name === "enter") return found[this.#chosen] ?? null;
      const step = { up: -1, down: 1, backtab: -1, tab: 1 }[key.name];
      if (step !== undefined) {
        this.#chosen = Math.max(0, Math.min(found.length - 1, this.#chosen + step));
        return undefined;
      }
    }
    if (this.#field.press(key)) this.#chosen = 0;
    return undefined;
  }

  #found(): readonly Action[] {
    const parts = this.#field.text.toLowerCase().split(/\s+/);
    return this.#actions.filter(({ name }) => parts.every((part) => name.toLowerCase().includes(part)));
  }

  view({ width, height }: Size): string[] {
    const inner = Math.min(WIDTH, width - 2) - 4;
    const found = this.#found();
    const room = Math.max(1, height - 7);
    this.#first = scrollTo(this.#chosen, this.#first, room);
    const lines = found
      .slice(this.#first, this.#first + room)
      .map(({ name, key }, row) =>
        choose(`${name}${key === undefined ? "" : pc.dim(`  ${key}`)}`, this.#first + row === this.#chosen, inner),
      );
    const typed = `> ${this.#field.text}${pc.inverse(" ")}`;
    return box(
      "What next?",
      [typed, "", ...(lines.length === 0 ? [pc.dim("nothing is called so")] : lines)],
      inner + 4,
    );
  }
}
