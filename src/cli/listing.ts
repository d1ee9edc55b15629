// Lists, printed as they are read: a table for a person, tab-separated lines for a program, JSON where it is asked for.

import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { systemClock } from "../runtime/clock.ts";
import { editDistance } from "../runtime/edit-distance.ts";
import { type Flag, type Input, type Io, readInteger } from "./command.ts";
import type { Page } from "./requests.ts";
import { runScreen } from "./screen/run.ts";
import { type Column, TableWriter, tabbedLine } from "./table.ts";

export interface Listing<Row> {
  readonly columns: readonly Column<Row>[];
  /** Said where there is no row: what to do next. */
  readonly empty: string;
  /** Asked where there is no row: throws where that is because of a name that there is not. */
  readonly explainEmpty?: () => Promise<void>;
}

/** Of every command that prints a list. */
export const LIST_FLAGS: readonly Flag[] = [
  { name: "columns", value: "NAMES", help: "which columns, in this order, between commas" },
  { name: "header", help: "print the columns' names also where no terminal reads; --no-header: never" },
  { name: "ndjson", help: "print one JSON object a line, as it is read" },
];

/** Of a list that is read page by page. */
export const PAGED_FLAGS: readonly Flag[] = [
  { name: "limit", value: "N", help: `maximum number of rows, default ${LIMITS.pageSizeDefault}` },
  { name: "all", help: "every row, however many" },
  { name: "watch", help: "on a terminal: show the list again every two seconds, until q" },
  ...LIST_FLAGS,
];

/** --limit, the size of a page, or no limit with --all. */
export function readLimit(input: Input): number {
  const limit = readInteger("limit", input.value("limit"));
  if (!input.isOn("all")) return limit ?? LIMITS.pageSizeDefault;
  if (limit !== undefined) throw badRequest("--all and --limit say two things: leave one out");
  return Number.POSITIVE_INFINITY;
}

/** Prints pages as they come, and waits for whoever reads. How many rows there were. */
export async function printPages<Row>(
  { input, io }: { readonly input: Input; readonly io: Io },
  pages: () => AsyncIterable<Page<Row>>,
  listing: Listing<Row>,
): Promise<number> {
  if (input.isOn("watch")) return watch(input, pages, listing);
  const writer = writerFor(input, io, listing);
  let count = 0;
  let isMore = false;
  for await (const page of pages()) {
    isMore = page.isMore;
    if (page.rows.length === 0) continue;
    io.out(writer.rows(page.rows, count === 0));
    count += page.rows.length;
    // A reader that has seen enough is no failure, and nothing is read for it any more.
    if (!(await isRead(io))) return count;
  }
  if (count === 0) await listing.explainEmpty?.();
  io.out(writer.end(count));
  if (count === 0 && writer.isForPeople) input.note(listing.empty);
  if (isMore && writer.isForPeople && io.width !== undefined)
    input.note(`the first ${count} are shown; --limit N or --all for more`);
  return count;
}

/** The same for rows that are there already. */
export function printRows<Row>(
  to: { readonly input: Input; readonly io: Io },
  rows: readonly Row[],
  listing: Listing<Row>,
): Promise<number> {
  return printPages(to, () => only(rows), listing);
}

/** The list as it is now, again and again, on a full screen. */
async function watch<Row>(input: Input, pages: () => AsyncIterable<Page<Row>>, listing: Listing<Row>): Promise<number> {
  if (!input.mayAsk || input.isJson)
    throw badRequest("--watch is for a terminal", "in scripts: events --follow, or log follow");
  if (input.isOn("all")) throw badRequest("--watch shows what fits a screen: leave --all out");
  const columns = chooseColumns(input, listing.columns);
  let rows: readonly Row[] | undefined;
  input.endWith(
    await runScreen({
      everyMs: LIMITS.screenRefreshMs,
      async read() {
        const read: Row[] = [];
        for await (const page of pages()) read.push(...page.rows);
        rows = read;
      },
      view({ width, height }) {
        const table = new TableWriter(columns, { width, nowMs: systemClock.now() });
        if (rows === undefined) return ["reading ..."];
        if (rows.length === 0) return [listing.empty];
        return `${table.header(rows)}${table.lines(rows)}`.split("\n").slice(0, height);
      },
    }),
  );
  return 0;
}

async function* only<Row>(rows: readonly Row[]): AsyncGenerator<Page<Row>> {
  yield await Promise.resolve({ rows, isMore: false });
}

/** False once the reader has gone. */
export async function isRead(io: Io): Promise<boolean> {
  try {
    await io.flush();
    return true;
  } catch {
    return false;
  }
}

/** A table beside other things: fitted to the terminal, whole and with tabs elsewhere. */
export function tableOf<Row>(io: Io, columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const shown = columns.filter(({ isExtra = false }) => !isExtra);
  if (io.width === undefined) return rows.map((row) => tabbedLine(shown.map((column) => column.value(row)))).join("");
  const table = new TableWriter(shown, { width: io.width, nowMs: systemClock.now() });
  return `${table.header(rows)}${table.lines(rows)}`;
}

interface Writer<Row> {
  readonly isForPeople: boolean;
  readonly rows: (rows: readonly Row[], isFirst: boolean) => string;
  readonly end: (count: number) => string;
}

function writerFor<Row>(input: Input, io: Io, listing: Listing<Row>): Writer<Row> {
  const columns = chooseColumns(input, listing.columns);
  if (input.isOn("ndjson")) {
    const rows = (page: readonly Row[]) => page.map((row) => `${JSON.stringify(row)}\n`).join("");
    return { isForPeople: false, rows, end: () => "" };
  }
  if (input.isJson) {
    // The bytes of JSON.stringify(all, null, 2), without all being there at once.
    const rows = (page: readonly Row[], isFirst: boolean) =>
      `${isFirst ? "[\n" : ",\n"}${page.map((row) => indent(JSON.stringify(row, null, 2))).join(",\n")}`;
    return { isForPeople: false, rows, end: (count) => (count === 0 ? "[]\n" : "\n]\n") };
  }
  const header = input.value("header");
  const names = `${columns.map(({ name }) => name).join("\t")}\n`;
  if (io.width === undefined) {
    const lines = (page: readonly Row[]) =>
      page.map((row) => tabbedLine(columns.map((column) => column.value(row)))).join("");
    const rows = (page: readonly Row[], isFirst: boolean) =>
      `${isFirst && header === "true" ? names : ""}${lines(page)}`;
    return { isForPeople: true, rows, end: () => "" };
  }
  const table = new TableWriter(columns, { width: io.width, nowMs: systemClock.now() });
  const rows = (page: readonly Row[], isFirst: boolean) =>
    `${isFirst && header !== "false" ? table.header(page) : ""}${table.lines(page)}`;
  return { isForPeople: true, rows, end: () => "" };
}

function indent(json: string): string {
  return json
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}

/** Throws bad_request for a name that no column has. */
function chooseColumns<Row>(input: Input, columns: readonly Column<Row>[]): readonly Column<Row>[] {
  const names = input.value("columns");
  if (names === undefined) return columns.filter(({ isExtra = false }) => !isExtra);
  return names.split(",").map((text) => {
    const name = text.trim().toLowerCase();
    const column = columns.find((each) => each.name === name);
    if (column !== undefined) return column;
    const near = columns.find((each) => editDistance(each.name, name) <= 2);
    throw badRequest(
      `--columns: there is no column ${JSON.stringify(name)}${near === undefined ? "" : `; did you mean ${near.name}?`}`,
      `there are ${columns.map((each) => each.name).join(", ")}`,
    );
  });
}
