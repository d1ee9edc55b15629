// The tab of users and their keys.

import pc from "picocolors";
import { DeadletterError } from "../../errors.ts";
import { LIMITS } from "../../limits.ts";
import type { Key as ApiKey } from "../../model/key.ts";
import type { VisibleUser } from "../../model/user.ts";
import { systemClock } from "../../runtime/clock.ts";
import { keyState } from "../keys.ts";
import { collect } from "../requests.ts";
import type { Key } from "../screen/keys.ts";
import { beside, factLines } from "../screen/layout.ts";
import type { Size } from "../screen/terminal.ts";
import { printable } from "../text.ts";
import { listKeys, listUsers } from "../user-requests.ts";
import { USER_COLUMNS } from "../users.ts";
import { exactAndRelative } from "../when.ts";
import { ListPane } from "./list-pane.ts";
import { peopleActions } from "./people-forms.ts";
import type { Action, Screen, Tab } from "./tab.ts";

export class PeopleTab implements Tab {
  readonly title = "People";
  readonly #screen: Screen;
  readonly #list: ListPane<VisibleUser>;
  /** Of the chosen user; a text where they may not be read. */
  #keys: { readonly userId: number; readonly keys: readonly ApiKey[] | string } | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#list = new ListPane(
      () => USER_COLUMNS.filter(({ name }) => ["id", "username", "state", "email"].includes(name)),
      () => {
        void this.#readKeys().then(
          () => screen.redraw(),
          () => {},
        );
      },
    );
  }

  async refresh(): Promise<void> {
    this.#list.setRows(await collect(listUsers(this.#screen.client, LIMITS.screenRows)));
    await this.#readKeys();
  }

  async #readKeys(): Promise<void> {
    const user = this.#list.selected;
    if (user === undefined) return;
    try {
      const keys = await listKeys(this.#screen.client, String(user.id));
      // An answer that is late is of a user who is not shown any more.
      if (user.id === this.#list.selected?.id) this.#keys = { userId: user.id, keys };
    } catch (error) {
      if (!(error instanceof DeadletterError) || error.code !== "forbidden") throw error;
      this.#keys = { userId: user.id, keys: error.message };
    }
  }

  view({ width, height }: Size): readonly string[] {
    const leftWidth = Math.floor(width * 0.5);
    const left = this.#list.view(leftWidth, height, "no users");
    return beside(left, this.#describe(), { width, leftWidth, height });
  }

  #describe(): string[] {
    const user = this.#list.selected;
    if (user === undefined) return [];
    const nowMs = systemClock.now();
    const keys = this.#keys?.userId === user.id ? this.#keys.keys : "reading ...";
    return [
      pc.bold(printable(user.username)),
      ...factLines([
        ["email", printable(user.email ?? "-")],
        ["state", user.is_active ? pc.green("active") : pc.red("inactive")],
        ["created", exactAndRelative(user.created_at, nowMs)],
      ]),
      "",
      pc.bold("Keys"),
      ...(typeof keys === "string"
        ? [pc.dim(printable(keys))]
        : keys.length === 0
          ? [pc.dim("none; m makes one")]
          : keys.map((key) => {
              const state = keyState(key, nowMs);
              return `${String(key.id).padStart(4)}  ${(state === "live" ? pc.green : pc.red)(state.padEnd(8))} ${key.role.padEnd(8)} ${printable(key.name)}`;
            })),
    ];
  }

  cursor(): undefined {
    return undefined;
  }

  press(key: Key): boolean {
    return this.#list.press(key);
  }

  actions(): readonly Action[] {
    const keys = this.#keys?.userId === this.#list.selected?.id ? this.#keys?.keys : undefined;
    return peopleActions(this.#screen, this.#list.selected, typeof keys === "object" ? keys : []);
  }
}
