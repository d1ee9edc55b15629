// Links out of a CSV file whose first line names the columns. A row that cannot be read is refused by its line, and the next is read.

import { badRequest, DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { CsvReader, type CsvRecord } from "../runtime/csv.ts";
import type { Members } from "./members.ts";
import { readTexts } from "./read-file.ts";
import type { Read, SourceLink } from "./source-link.ts";

/** Made once for a file, of the names of its columns. Throws bad_request where a column is missing. */
export type CsvMapping = (columns: readonly string[]) => (members: Members) => SourceLink;

/** Throws bad_request for a file that is no CSV or lacks a column. */
export async function* readCsv(path: string, mapping: CsvMapping): AsyncGenerator<Read> {
  const reader = new CsvReader({ maxChars: LIMITS.importRowChars, isRelaxed: true });
  let [columns, map]: [readonly string[], ReturnType<CsvMapping> | undefined] = [[], undefined];
  const takeAll = function* (records: readonly CsvRecord[]): Generator<Read> {
    for (const { cells, line } of records)
      if (map === undefined) {
        columns = cells.map((cell) => cell.trim());
        if (columns.length === 1 && /[;\t]/.test(columns[0] ?? ""))
          throw badRequest("line 1: cells must be separated by commas", "save it as CSV with commas");
        if (new Set(columns).size < columns.length) throw badRequest("line 1: names a column twice");
        map = mapping(columns);
      } else yield readRow(`line ${line}`, columns, cells, map);
  };
  for await (const text of readTexts(path)) yield* takeAll(reader.push(text));
  yield* takeAll(await reader.end());
  if (map === undefined) throw badRequest("the file is empty");
}

function readRow(
  place: string,
  columns: readonly string[],
  cells: readonly string[],
  map: (members: Members) => SourceLink,
): Read {
  if (cells.length !== columns.length)
    return { place, refusal: `the row has ${cells.length} cells, the first line names ${columns.length}` };
  const members = Object.fromEntries(columns.map((name, at) => [name, cells[at]]));
  return readMembers(place, members, cells.join(""), map);
}

/** `text` is all of it, for what is to be said of it as a whole. */
export function readMembers(
  place: string,
  members: Members,
  text: string,
  map: (members: Members) => SourceLink,
): Read {
  if (text.length > LIMITS.bulkRowChars) return { place, refusal: `is longer than ${LIMITS.bulkRowChars} characters` };
  if (text.includes("\ufffd")) return { place, refusal: "has bytes that are not UTF-8" };
  try {
    return { place, link: map(members) };
  } catch (error) {
    if (error instanceof DeadletterError) return { place, refusal: error.message };
    if (error instanceof URIError) return { place, refusal: "has an escape (%) in its short URL that is no text" };
    throw error;
  }
}
