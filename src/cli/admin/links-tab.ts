// The tab of links: a list that is searched as you type, filtered and sorted, and beside it the one that is chosen.

import pc from "picocolors";
import type { LinkWithHistory, ListedLink } from "../../http/links.ts";
import { LIMITS } from "../../limits.ts";
import { systemClock, type Timer } from "../../runtime/clock.ts";
import { type LinkFilter, readLinkPage } from "../requests.ts";
import type { Key } from "../screen/keys.ts";
import { beside, fit } from "../screen/layout.ts";
import type { Cursor, Size } from "../screen/terminal.ts";
import { TextField } from "../screen/text-field.ts";
import { linkColumns } from "../show-link.ts";
import type { Column } from "../table.ts";
import { countOf, cutEnd, thousands } from "../text.ts";
import { linkActions } from "./link-actions.ts";
import { LinkDetail } from "./link-detail.ts";
import { ListPane } from "./list-pane.ts";
import type { Action, Screen, Tab } from "./tab.ts";

const PAGE_ROWS = 100;
/** Narrower than this, list and detail take turns. */
const TWO_PANES = 90;
const SORTS = ["newest", "clicks", "code", "changed"] as const;
type Sort = (typeof SORTS)[number];
const STATES = [undefined, "true", "false"] as const;

export class LinksTab implements Tab {
  readonly title = "Links";
  readonly #screen: Screen;
  readonly #search = new TextField(LIMITS.searchChars);
  readonly #list: ListPane<ListedLink>;
  readonly #detail: LinkDetail;
  #isSearching = false;
  #searchColumn = 2;
  #isDetailShown = false;
  #isTwoPanes = true;
  #state: (typeof STATES)[number];
  #tag: string | undefined;
  #owner: { readonly id: number; readonly name: string } | undefined;
  #sort: Sort = "newest";
  /** As the server gives them, newest first; at most LIMITS.screenRows. */
  #rows: readonly ListedLink[] = [];
  #cursor: string | undefined;
  #isReadingMore = false;
  #searchTimer: Timer | undefined;
  /** Something was typed that has not been asked yet. */
  #isAskDue = false;

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#detail = new LinkDetail(screen, (link) => this.#replaceRow(link));
    this.#list = new ListPane(listColumns, () => {
      this.#detail.select(this.#list.selected);
      if (this.#list.below < PAGE_ROWS / 4) void this.#readMore();
    });
  }

  get #filter(): LinkFilter {
    const q = this.#search.text.trim();
    return {
      ...(q === "" ? {} : { q }),
      ...(this.#state === undefined ? {} : { is_active: this.#state }),
      ...(this.#tag === undefined ? {} : { tag: this.#tag }),
      ...(this.#owner === undefined ? {} : { user_id: String(this.#owner.id) }),
    };
  }

  async refresh(isWhole: boolean): Promise<void> {
    const asked = this.#filter;
    const read: ListedLink[] = [];
    let cursor: string | undefined;
    do {
      const page = await readLinkPage(this.#screen.client, asked, { size: PAGE_ROWS, cursor });
      // Somebody typed on meanwhile: what comes next answers that.
      if (!isSame(asked, this.#filter)) return;
      read.push(...page.data);
      cursor = page.cursor;
    } while (isWhole && cursor !== undefined && read.length < this.#rows.length);
    const oldest = read.at(-1);
    const ids = new Set(read.map(({ id }) => id));
    // Pages below the first stay as they were read; links are listed in the order in which they were made.
    const older =
      oldest === undefined || cursor === undefined
        ? []
        : this.#rows.filter((row) => row.id < oldest.id && !ids.has(row.id));
    if (older.length === 0) this.#cursor = cursor;
    this.#setRows([...read, ...older]);
    await this.#detail.refresh();
  }

  async #readMore(): Promise<void> {
    if (this.#isReadingMore || this.#cursor === undefined || this.#rows.length >= LIMITS.screenRows) return;
    this.#isReadingMore = true;
    const asked = this.#filter;
    try {
      const { data, cursor } = await readLinkPage(this.#screen.client, asked, {
        size: PAGE_ROWS,
        cursor: this.#cursor,
      });
      if (!isSame(asked, this.#filter)) return;
      this.#cursor = cursor;
      const known = new Set(this.#rows.map(({ id }) => id));
      this.#setRows([...this.#rows, ...data.filter(({ id }) => !known.has(id))]);
      this.#screen.redraw();
    } catch {
      // The next reading of the first page says what is wrong; the next move tries again.
    } finally {
      this.#isReadingMore = false;
    }
  }

  #setRows(rows: readonly ListedLink[]): void {
    this.#rows = rows;
    this.#list.setRows(sorted(rows, this.#sort, this.#search.text.trim()));
    this.#detail.select(this.#list.selected);
  }

  /** A link that was read in full is as it is now, wherever it stands in the list. */
  #replaceRow({ events: _, ...link }: LinkWithHistory): void {
    const row = this.#rows.find(({ id }) => id === link.id);
    if (row === undefined || (row.version === link.version && row.clicks === link.clicks)) return;
    this.#rows = this.#rows.map((each) => (each.id === link.id ? { ...each, ...link } : each));
    this.#list.setRows(sorted(this.#rows, this.#sort, this.#search.text.trim()));
  }

  /** Another question: its answer is read from its beginning. */
  #ask(): void {
    systemClock.cancel(this.#searchTimer);
    this.#isAskDue = false;
    this.#rows = [];
    this.#cursor = undefined;
    this.#isDetailShown = false;
    this.#list.expectOthers();
    this.#screen.reload();
  }

  view({ width, height }: Size): readonly string[] {
    this.#isTwoPanes = width >= TWO_PANES;
    const head = this.#headLine(width);
    const empty =
      Object.keys(this.#filter).length > 0 ? "no link matches; Esc clears search and filters" : "no links; n makes one";
    const bodyHeight = height - 1;
    if (!this.#isTwoPanes)
      return [
        head,
        ...(this.#isDetailShown
          ? [pc.dim("‹ Esc: back to the list"), ...this.#detail.view(width, bodyHeight - 1)]
          : this.#list.view(width, bodyHeight, empty)),
      ];
    const leftWidth = Math.floor(width * 0.55);
    const left = this.#list.view(leftWidth, bodyHeight, empty);
    const right = this.#detail.view(width - leftWidth - 3, bodyHeight);
    return [head, ...beside(left, right, { width, leftWidth, height: bodyHeight })];
  }

  #headLine(width: number): string {
    const filters = [
      this.#state === undefined ? "" : this.#state === "true" ? "active" : "inactive",
      this.#tag === undefined ? "" : `tag ${this.#tag}`,
      this.#owner === undefined ? "" : `of ${this.#owner.name}`,
      this.#sort === "newest" ? "" : `by ${this.#sort}`,
    ].filter((text) => text !== "");
    const isMore = this.#cursor !== undefined;
    const count = isMore ? `${thousands(this.#rows.length)}+ links` : countOf(this.#rows.length);
    const said = [...filters, count].join(" · ");
    // Of a long text its end is shown, where it is typed.
    const room = Math.max(8, width - Bun.stringWidth(said) - 4);
    const prompt = `/ ${this.#search.tail(room)}`;
    this.#searchColumn = 2 + this.#search.cursorIn(room);
    const hint = this.#isSearching || this.#search.text !== "" ? prompt : pc.dim("/ search");
    return fit(fit(hint, Math.max(10, width - Bun.stringWidth(said) - 1)) + pc.dim(` ${said}`), width);
  }

  cursor(): Cursor | undefined {
    return this.#isSearching ? { row: 0, column: this.#searchColumn } : undefined;
  }

  press(key: Key): boolean {
    const name = key.type === "key" ? key.name : "";
    if (this.#isSearching) return this.#pressSearch(key, name);
    if (this.#isDetailShown) {
      if (name === "escape" || name === "left") {
        this.#isDetailShown = false;
        return true;
      }
      return this.#detail.press(key);
    }
    if (name === "enter" || name === "right") {
      this.#isDetailShown = this.#list.selected !== undefined;
      return true;
    }
    if (name === "escape" && Object.keys(this.#filter).length > 0) {
      this.#search.clear();
      [this.#state, this.#tag, this.#owner] = [undefined, undefined, undefined];
      this.#ask();
      return true;
    }
    return this.#list.press(key);
  }

  #pressSearch(key: Key, name: string): boolean {
    if (name === "enter" || name === "escape" || name === "down") {
      this.#isSearching = false;
      if (name === "escape" && this.#search.text !== "") {
        this.#search.clear();
        this.#ask();
      } else if (this.#isAskDue) this.#ask();
      return true;
    }
    if (this.#search.press(key)) {
      systemClock.cancel(this.#searchTimer);
      this.#isAskDue = true;
      this.#searchTimer = systemClock.after(LIMITS.searchPauseMs, () => this.#ask());
    }
    return true;
  }

  actions(): readonly Action[] {
    const next = <Value>(values: readonly Value[], value: Value) =>
      values[(values.indexOf(value) + 1) % values.length] as Value;
    return [
      {
        key: "/",
        name: "Search",
        run: () => {
          this.#isSearching = true;
          this.#isDetailShown = false;
        },
      },
      ...linkActions(this.#screen, {
        link: this.#list.selected,
        onMade: (id) => this.#list.select(id),
        setTag: (tag) => {
          this.#tag = tag;
          this.#ask();
        },
        setOwner: (owner) => {
          this.#owner = owner;
          this.#ask();
        },
      }),
      {
        key: "s",
        name: "State",
        run: () => {
          this.#state = next(STATES, this.#state);
          this.#ask();
        },
      },
      {
        key: "o",
        name: "Sort",
        run: () => {
          this.#sort = next(SORTS, this.#sort);
          this.#setRows(this.#rows);
          if (this.#sort !== "newest" && this.#cursor !== undefined)
            this.#screen.say(`sorted among the ${thousands(this.#rows.length)} newest, which are read so far`);
        },
      },
    ];
  }
}

function isSame(a: LinkFilter, b: LinkFilter): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function sorted(rows: readonly ListedLink[], sort: Sort, searched: string): readonly ListedLink[] {
  if (sort === "newest" && searched === "") return rows;
  // Who types a code means that link, and not one that mentions it.
  if (sort === "newest") return rows.toSorted((a, b) => likeness(b, searched) - likeness(a, searched));
  return rows.toSorted((a, b) => {
    if (sort === "clicks") return (b.clicks ?? 0) - (a.clicks ?? 0);
    return sort === "code" ? a.short_code.localeCompare(b.short_code) : b.updated_at.localeCompare(a.updated_at);
  });
}

function likeness({ short_code }: ListedLink, searched: string): number {
  const [code, text] = [short_code.toLowerCase(), searched.toLowerCase()];
  return code === text ? 3 : code.startsWith(text) ? 2 : Number(code.includes(text));
}

/** What a narrow list has room for. */
function listColumns(): readonly Column<ListedLink>[] {
  const columns = linkColumns(systemClock.now());
  const by = (name: string) => columns.filter((column) => column.name === name);
  return [
    ...by("code"),
    ...by("state"),
    ...by("clicks"),
    ...by("tags").map((column) => ({ ...column, shown: ({ tags }: ListedLink) => cutEnd(tags.join(","), 16) })),
    ...by("target"),
  ];
}
