// A list on the screen: rows that fit its width, one of them chosen by its id, which stays chosen when rows come and go.

import pc from "picocolors";
import { systemClock } from "../../runtime/clock.ts";
import type { Key } from "../screen/keys.ts";
import { choose, scrollTo } from "../screen/layout.ts";
import { type Column, TableWriter } from "../table.ts";

export interface Identified {
  readonly id: number;
}

export class ListPane<Row extends Identified> {
  readonly #columns: () => readonly Column<Row>[];
  readonly #onMove: () => void;
  #rows: readonly Row[] = [];
  #isRead = false;
  /** Rows that answer an older question: they are shown until the new answer is there, and none of them is chosen. */
  #isStale = false;
  #selectedId: number | undefined;
  /** Where the chosen row was: what takes its place when it is gone. */
  #index = 0;
  #first = 0;
  #height = 1;
  #table: { readonly writer: TableWriter<Row>; readonly header: string; readonly width: number } | undefined;

  constructor(columns: () => readonly Column<Row>[], onMove: () => void) {
    this.#columns = columns;
    this.#onMove = onMove;
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  get selected(): Row | undefined {
    return this.#isStale ? undefined : this.#rows[this.#index];
  }

  /** How many rows there are below the chosen one. */
  get below(): number {
    return this.#rows.length - this.#index - 1;
  }

  setRows(rows: readonly Row[]): void {
    const before = this.#selectedId;
    this.#rows = rows;
    this.#isRead = true;
    this.#isStale = false;
    this.#table = undefined;
    const found = rows.findIndex(({ id }) => id === before);
    this.#index = found === -1 ? Math.min(this.#index, Math.max(0, rows.length - 1)) : found;
    this.#selectedId = this.selected?.id;
    if (this.#selectedId !== before) this.#onMove();
  }

  /** Another question was asked: nothing is chosen until its answer is there, and then the first. */
  expectOthers(): void {
    this.#isStale = true;
    this.selectFirst();
  }

  selectFirst(): void {
    this.#index = 0;
    this.#first = 0;
    this.#selectedId = this.selected?.id;
    this.#onMove();
  }

  /** The row with this id, once it is there. */
  select(id: number): void {
    this.#selectedId = id;
  }

  press(key: Key): boolean {
    const steps: Readonly<Record<string, number>> = {
      up: -1,
      k: -1,
      down: 1,
      j: 1,
      pageup: -this.#height,
      pagedown: this.#height,
      home: -this.#rows.length,
      g: -this.#rows.length,
      end: this.#rows.length,
      G: this.#rows.length,
    };
    const step = key.type === "key" ? steps[key.name] : undefined;
    if (step === undefined) return false;
    const to = Math.max(0, Math.min(this.#rows.length - 1, this.#index + step));
    if (to !== this.#index) {
      this.#index = to;
      this.#selectedId = this.selected?.id;
      this.#onMove();
    }
    return true;
  }

  view(width: number, height: number, empty: string): string[] {
    if (this.#rows.length === 0) return [pc.dim(this.#isRead ? empty : "reading ...")];
    this.#height = Math.max(1, height - 1);
    this.#first = scrollTo(
      this.#index,
      Math.min(this.#first, Math.max(0, this.#rows.length - this.#height)),
      this.#height,
    );
    const { writer, header } = this.#fit(width - 2);
    const visible = this.#rows.slice(this.#first, this.#first + this.#height);
    const lines = writer.lines(visible).split("\n");
    return [
      `  ${header.trimEnd()}`,
      ...visible.map((_, row) => choose(lines[row] ?? "", !this.#isStale && this.#first + row === this.#index, width)),
    ];
  }

  /** The layout of all rows, so that columns stand still while they scroll. */
  #fit(width: number) {
    if (this.#table?.width === width) return this.#table;
    const writer = new TableWriter(this.#columns(), { width, nowMs: systemClock.now() });
    this.#table = { writer, header: writer.header(this.#rows), width };
    return this.#table;
  }
}
