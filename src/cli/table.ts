// Tables: fitted to a terminal's width by cutting what may be cut, or tab-separated and whole where a program reads. Pure.

import pc from "picocolors";
import { cutMiddle, padEnd, padStart, printable, widthOf } from "./text.ts";

export type Paint = (text: string) => string;

export interface Column<Row> {
  /** As --columns names it; in capitals it is the header. */
  readonly name: string;
  /** Exact: what a program reads. */
  readonly value: (row: Row) => string | number;
  /** What a person reads instead. */
  readonly shown?: (row: Row, nowMs: number) => string;
  readonly paint?: (row: Row) => Paint;
  readonly align?: "right";
  /** May be cut in the middle, down to this many columns of the terminal. */
  readonly least?: number;
  /** The first to go where the terminal is too narrow has the highest; a column without one always stays. */
  readonly rank?: number;
  /** Only where --columns names it. */
  readonly isExtra?: boolean;
}

interface Cell {
  readonly text: string;
  readonly paint: Paint | undefined;
}

const GAP = "  ";

/** Lines of a table that is at most `width` columns wide, each with its end. */
export class TableWriter<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #width: number;
  readonly #nowMs: number;
  #layout: { columns: readonly Column<Row>[]; widths: readonly number[] } | undefined;

  constructor(columns: readonly Column<Row>[], options: { readonly width: number; readonly nowMs: number }) {
    this.#columns = columns;
    this.#width = options.width;
    this.#nowMs = options.nowMs;
  }

  /** The layout is that of the rows that come first. */
  header(rows: readonly Row[]): string {
    const { columns, widths } = this.#fit(rows);
    const cells = columns.map(({ name }) => ({ text: name.toUpperCase(), paint: undefined }));
    return `${pc.bold(lineOf(columns, widths, cells))}\n`;
  }

  lines(rows: readonly Row[]): string {
    const { columns, widths } = this.#fit(rows);
    return rows
      .map((row) => {
        const cells = columns.map((column) => ({ text: this.#textOf(column, row), paint: column.paint?.(row) }));
        return `${lineOf(columns, widths, cells)}\n`;
      })
      .join("");
  }

  #textOf({ shown, value }: Column<Row>, row: Row): string {
    return printable(shown === undefined ? String(value(row)) : shown(row, this.#nowMs));
  }

  #fit(rows: readonly Row[]) {
    if (this.#layout) return this.#layout;
    const wanted = this.#columns.map((column) => ({
      column,
      width: Math.max(widthOf(column.name), ...rows.map((row) => widthOf(this.#textOf(column, row)))),
    }));
    const kept = fitColumns(wanted, this.#width);
    this.#layout = { columns: kept.map(({ column }) => column), widths: kept.map(({ width }) => width) };
    return this.#layout;
  }
}

interface Wanted<Row> {
  readonly column: Column<Row>;
  readonly width: number;
}

/** Drops columns by rank while even the least they need is too wide, then cuts the widest of those that may be cut. */
function fitColumns<Row>(wanted: readonly Wanted<Row>[], width: number): Wanted<Row>[] {
  const leastOf = ({ column, width: whole }: Wanted<Row>) => Math.min(whole, column.least ?? whole);
  const total = (widths: readonly number[]) => widths.reduce((sum, each) => sum + each + GAP.length, -GAP.length);
  const kept = [...wanted];
  while (total(kept.map(leastOf)) > width) {
    const last = kept.reduce<Wanted<Row> | undefined>(
      (worst, each) => ((each.column.rank ?? 0) > (worst?.column.rank ?? 0) ? each : worst),
      undefined,
    );
    if (last === undefined) break;
    kept.splice(kept.indexOf(last), 1);
  }
  const widths = kept.map((each) => each.width);
  for (let over = total(widths) - width; over > 0; over--) {
    let widest = -1;
    for (const [index, each] of kept.entries()) {
      const isCuttable = (widths[index] ?? 0) > leastOf(each);
      if (isCuttable && (widest === -1 || (widths[index] ?? 0) > (widths[widest] ?? 0))) widest = index;
    }
    if (widest === -1) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return kept.map((each, index) => ({ column: each.column, width: widths[index] ?? 0 }));
}

function lineOf<Row>(columns: readonly Column<Row>[], widths: readonly number[], cells: readonly Cell[]): string {
  return cells
    .map(({ text, paint }, index) => {
      const width = widths[index] ?? 0;
      // A later page may hold what is wider than the first one's, and what may not be cut then stands out.
      const cut = columns[index]?.least === undefined ? text : cutMiddle(text, width);
      const painted = paint ? paint(cut) : cut;
      const padding = " ".repeat(Math.max(0, width - widthOf(cut)));
      if (columns[index]?.align === "right") return padding + painted;
      return index === cells.length - 1 ? painted : painted + padding;
    })
    .join(GAP)
    .trimEnd();
}

/** A row of a table that a program reads: nothing is cut, and no value holds a tab or a line's end. */
export function tabbedLine(values: readonly (string | number)[]): string {
  return `${values.map((value) => printable(String(value))).join("\t")}\n`;
}

/** `name       value` a line, the names as wide as the widest. For one thing that is shown. */
export function facts(rows: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${padEnd(name, width)}  ${value}\n`).join("");
}

/** A plain table of texts for what is shown beside data; never cut. */
export function plainTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => Bun.stringWidth(row[column] ?? ""))));
  const isNumber = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^[\d,]+$/.test(row[column] ?? "")),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (isNumber[column] ? padStart : padEnd)(cell, widths[column] ?? 0))
      .join(GAP)
      .trimEnd();
  return `${[pc.bold(line(header)), ...rows.map(line)].join("\n")}\n`;
}
