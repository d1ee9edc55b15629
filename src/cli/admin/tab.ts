// What a tab of the admin screen is to the screen around it.

import type { Role } from "../../model/role.ts";
import type { Client } from "../client.ts";
import type { Key } from "../screen/keys.ts";
import type { Cursor, Size } from "../screen/terminal.ts";

export interface Tab {
  readonly title: string;
  /** Reads what is shown; `isWhole`: also what seldom changes, since somebody asks, or has changed it. Throws what the client throws. */
  refresh(isWhole: boolean): Promise<void>;
  view(size: Size): readonly string[];
  /** Where text is being typed: then letters are text, and no shortcuts. */
  cursor(): Cursor | undefined;
  /** Whether the key meant something here. */
  press(key: Key): boolean;
  /** What can be done now. */
  actions(): readonly Action[];
}

export interface Action {
  /** Of a key press; an action without one is in the palette alone. */
  readonly key?: string;
  readonly name: string;
  /** The least role that may do it; what may not be done is not offered. */
  readonly needs?: Role;
  readonly run: () => void;
}

/** What the screen does for a tab. */
export interface Screen {
  readonly client: Client;
  redraw(): void;
  /** Reads again what the tab shows, at once. */
  reload(): void;
  /** Runs a form where forms are, outside the screen; what it returns is said afterwards. */
  form(run: () => Promise<string>): void;
  say(text: string): void;
}
