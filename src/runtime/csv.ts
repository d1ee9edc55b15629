// CSV (RFC 4180): read as it comes, a chunk at a time, by csv-parse, with its errors in our words; and written.

import { CsvError, type Parser, parse } from "csv-parse";
import { badRequest } from "../errors.ts";

export interface CsvRecord {
  readonly cells: readonly string[];
  /** Of the text, on which the record ends; from 1 on. */
  readonly line: number;
}

export interface CsvOptions {
  /** What errors call the text. */
  readonly name?: string;
  /** Longest record, in characters. */
  readonly maxChars: number;
  /** Whether records may have more or fewer cells than the first: whoever reads them says so. */
  readonly isRelaxed: boolean;
}

export class CsvReader {
  readonly #parser: Parser;
  readonly #prefix: string;
  #failure: Error | undefined;

  constructor({ name, maxChars, isRelaxed }: CsvOptions) {
    this.#prefix = name === undefined ? "" : `${name} `;
    const record = { max_record_size: maxChars, relax_column_count: isRelaxed };
    this.#parser = parse({ bom: true, info: true, skip_empty_lines: true, ...record });
    this.#parser.on("error", (error) => {
      this.#failure = error;
    });
  }

  /** The records that the text completes. Throws bad_request where it cannot be read on. */
  push(text: string): CsvRecord[] {
    // Parsed at once; what comes of it waits to be read.
    this.#parser.write(text);
    return this.#take();
  }

  async end(): Promise<CsvRecord[]> {
    await new Promise<void>((resolve) => {
      this.#parser.once("finish", resolve);
      this.#parser.once("error", () => resolve());
      this.#parser.end();
    });
    return this.#take();
  }

  #take(): CsvRecord[] {
    const records: CsvRecord[] = [];
    for (;;) {
      const read = this.#parser.read() as { record: string[]; info: { lines: number } } | null;
      if (read === null) break;
      records.push({ cells: read.record, line: read.info.lines });
    }
    const error = this.#failure;
    if (error instanceof CsvError)
      throw badRequest(
        `${this.#prefix}line ${error.lines}: ${error.message}`,
        "the file may be cut off; export it again",
      );
    if (error) throw error;
    return records;
  }
}

/** What spreadsheets take for a formula, and what was escaped because of that. */
const FORMULA = /^'*[=+\-@\t\r]/;

/**
 * A record, its line end included. A cell that a spreadsheet would run as a formula gets a quote before it (OWASP, CSV injection),
 * and so does one that looks as if it had got one: unescapeCell() gives back exactly what it was.
 */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map((cell) => quoted(FORMULA.test(cell) ? `'${cell}` : cell)).join(",")}\r\n`;
}

export function unescapeCell(cell: string): string {
  return cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell;
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
