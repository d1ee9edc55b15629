// The rows of a streamed body, one after the other and never all of them: NDJSON, a JSON array, or CSV (RFC 4180).

import { badRequest, DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { CsvReader, type CsvRecord } from "../runtime/csv.ts";
import { parseJson } from "./body.ts";

export const ROW_FORMATS = ["ndjson", "json", "csv"] as const;
export type RowFormat = (typeof ROW_FORMATS)[number];
export const MEDIA_TYPES: Readonly<Record<RowFormat, string>> = {
  ndjson: "application/x-ndjson",
  json: "application/json",
  csv: "text/csv",
};

/** What stood in a row, or why it cannot be read. */
export interface Row {
  /** Of the body; of a JSON array the number of the element. From 1 on. */
  readonly line: number;
  readonly value?: unknown;
  readonly refusal?: DeadletterError;
}

/** What has come of a body so far, and the rows it completes. */
interface Splitter {
  push(text: string): Iterable<Row> | Promise<Iterable<Row>>;
  end(): Iterable<Row> | Promise<Iterable<Row>>;
}

/**
 * Rows as they come, at most LIMITS.bulkRowsRead together: a chunk may have thousands, and nobody is answered while they are read.
 * Throws bad_request where the body cannot be read on, payload_too_large past `maxBytes`. `stop` lets go of the body, also while its
 * sender does nothing.
 */
export async function* readRows(
  { body, headers }: Request,
  format: RowFormat,
  maxBytes: number,
  stop: AbortSignal,
): AsyncGenerator<Row[]> {
  const tooLarge = new DeadletterError("payload_too_large", `the body must be at most ${maxBytes} bytes`);
  if (Number(headers.get("content-length") ?? 0) > maxBytes) throw tooLarge;
  const splitter = splitterOf(format);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let bytes = 0;
  for await (const chunk of chunksOf(body, stop)) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge;
    yield* inParts(await splitter.push(decode(decoder, chunk)));
  }
  yield* inParts(await splitter.push(decode(decoder)));
  yield* inParts(await splitter.end());
}

/** A reader of its own can be told to end while it waits; one of `for await` cannot. */
async function* chunksOf(body: ReadableStream<Uint8Array> | null, stop: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  const cancel = () => void reader?.cancel().catch(() => {});
  stop.addEventListener("abort", cancel, { once: true });
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done || value === undefined) return;
      yield value;
    }
  } finally {
    stop.removeEventListener("abort", cancel);
    cancel();
  }
}

/** At least one, which may be empty: whoever reads the rows looks after each how long it has waited. */
function* inParts(rows: Iterable<Row>): Generator<Row[]> {
  let part: Row[] = [];
  for (const row of rows) {
    part.push(row);
    if (part.length < LIMITS.bulkRowsRead) continue;
    yield part;
    part = [];
  }
  yield part;
}

function decode(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch {
    throw badRequest("the body is not UTF-8");
  }
}

function splitterOf(format: RowFormat): Splitter {
  if (format === "csv") return new CsvSplitter();
  return format === "json" ? new ArraySplitter() : new LineSplitter();
}

function readText(line: number, text: string): Row {
  try {
    return { line, value: parseJson(text) };
  } catch (error) {
    if (error instanceof DeadletterError) return { line, refusal: error };
    throw error;
  }
}

function tooLong(line: number): Row {
  const message = `a row must be at most ${LIMITS.bulkRowChars} characters`;
  return { line, refusal: new DeadletterError("payload_too_large", message) };
}

class LineSplitter implements Splitter {
  #begun = "";
  #line = 0;
  /** Whether the line that has begun is too long: the rest of it is passed over. */
  #isTooLong = false;

  *push(text: string): Iterable<Row> {
    let at = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", at)) {
      yield* this.#endLine(text.slice(at, end));
      at = end + 1;
    }
    this.#begun += text.slice(at);
    if (this.#begun.length <= LIMITS.bulkRowChars) return;
    this.#isTooLong = true;
    this.#begun = "";
  }

  end(): Iterable<Row> {
    return this.#endLine("");
  }

  *#endLine(rest: string): Iterable<Row> {
    const text = this.#begun + rest;
    const isTooLong = this.#isTooLong || text.length > LIMITS.bulkRowChars;
    this.#begun = "";
    this.#isTooLong = false;
    this.#line += 1;
    if (isTooLong) yield tooLong(this.#line);
    else if (text.trim() !== "") yield readText(this.#line, text);
  }
}

/** Finds where the elements of an array begin and end; what each of them is, JSON.parse says. */
class ArraySplitter implements Splitter {
  #place: "before" | "within" | "after" = "before";
  #element = "";
  #count = 0;
  #depth = 0;
  #isString = false;
  #isEscaped = false;

  *push(text: string): Iterable<Row> {
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      const char = text[at] as string;
      if (this.#place !== "within") {
        if (char.trim() === "" || (this.#place === "before" && char === "\ufeff")) start = at + 1;
        else if (this.#place === "before" && char === "[") {
          this.#place = "within";
          start = at + 1;
        } else throw badRequest("the body must be one JSON array of objects");
      } else if (this.#isString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (char === "\\") this.#isEscaped = true;
        else if (char === '"') this.#isString = false;
      } else if (char === '"') this.#isString = true;
      else if (char === "{" || char === "[") this.#depth += 1;
      else if (this.#depth > 0) this.#depth -= char === "}" || char === "]" ? 1 : 0;
      else if (char === "," || char === "]") {
        yield* this.#endElement(text.slice(start, at), char === "]");
        start = at + 1;
      }
    }
    this.#element += text.slice(start);
    if (this.#element.length > LIMITS.bulkRowChars) throw tooLong(this.#count + 1).refusal;
  }

  end(): Iterable<Row> {
    if (this.#place !== "after") throw badRequest("the JSON array of the body does not end");
    return [];
  }

  *#endElement(rest: string, isLast: boolean): Iterable<Row> {
    const text = this.#element + rest;
    this.#element = "";
    if (isLast) this.#place = "after";
    if (isLast && this.#count === 0 && text.trim() === "") return;
    this.#count += 1;
    yield text.length > LIMITS.bulkRowChars ? tooLong(this.#count) : readText(this.#count, text);
  }
}

/** The first line names the members; an empty cell is a member that is not there. */
class CsvSplitter implements Splitter {
  readonly #reader = new CsvReader({ maxChars: LIMITS.bulkRowChars, isRelaxed: true });
  #names: readonly string[] | undefined;

  push(text: string): Iterable<Row> {
    return this.#rowsOf(this.#reader.push(text));
  }

  async end(): Promise<Iterable<Row>> {
    return this.#rowsOf(await this.#reader.end());
  }

  *#rowsOf(records: readonly CsvRecord[]): Iterable<Row> {
    for (const { cells, line } of records) {
      if (this.#names === undefined) {
        if (new Set(cells).size < cells.length) throw badRequest("the first line names a member twice");
        this.#names = cells;
      } else yield rowOf(this.#names, cells, line);
    }
  }
}

function rowOf(names: readonly string[], cells: readonly string[], line: number): Row {
  if (cells.length !== names.length)
    return { line, refusal: badRequest(`the row has ${cells.length} cells, the first line names ${names.length}`) };
  const members = names.map((name, at) => [name, readCell(name, cells[at] ?? "")] as const);
  return { line, value: Object.fromEntries(members.filter(([, value]) => value !== undefined)) };
}

/** Members that are no text are written as JSON has them; what is not such a value is refused by the command's own schema. */
function readCell(name: string, cell: string): unknown {
  if (cell === "") return undefined;
  if (name === "user_id" || name === "user") return /^\d{1,15}$/.test(cell) ? Number(cell) : cell;
  if (name === "is_active") return cell === "true" ? true : cell === "false" ? false : cell;
  if (name === "tags") return cell.split(",");
  if (name === "status" || name === "max_age") return /^\d{1,9}$/.test(cell) ? Number(cell) : cell;
  if (name === "if_version") return /^\d{1,9}$/.test(cell) ? Number(cell) : cell;
  return cell;
}
