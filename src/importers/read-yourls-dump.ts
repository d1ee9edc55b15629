// Links out of a dump of YOURLS' database, as mysqldump and phpMyAdmin write it: the rows of INSERT statements into a table whose name
// ends in `_url` (or is `url`). No SQL is carried out; other statements are passed over.

import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Members } from "./members.ts";
import { readMembers } from "./read-csv.ts";
import type { Read, SourceLink } from "./source-link.ts";

/** https://github.com/YOURLS/YOURLS: the table as its installer makes it. */
const COLUMNS = ["keyword", "url", "title", "timestamp", "ip", "clicks"];

export async function* readYourlsDump(
  texts: AsyncIterable<string>,
  map: (members: Members) => SourceLink,
): AsyncGenerator<Read> {
  const reader = new DumpReader();
  for await (const text of texts)
    for (const { line, columns, cells } of reader.push(text)) {
      const place = `line ${line}`;
      if (cells.length !== columns.length)
        yield { place, refusal: `the row has ${cells.length} values, the table ${columns.length}` };
      else
        yield readMembers(
          place,
          Object.fromEntries(columns.map((name, at) => [name, cells[at]])),
          cells.map((cell) => cell ?? "").join(""),
          map,
        );
    }
  reader.end();
}

interface Row {
  readonly line: number;
  readonly columns: readonly string[];
  readonly cells: readonly (string | null)[];
}

/** https://dev.mysql.com/doc/refman/8.4/en/string-literals.html: what a backslash stands for before a letter. */
const ESCAPES: Readonly<Record<string, string>> = { "0": "\0", b: "\b", n: "\n", r: "\r", t: "\t", Z: "\x1a" };

class DumpReader {
  /** Text that has no end yet: the head of a statement, or a value. */
  #text = "";
  #line = 1;
  #state: "head" | "rows" | "row" = "head";
  #quote: string | undefined;
  #isEscaped = false;
  #mayEnd = false;
  #wasQuoted = false;
  #columns: readonly string[] | undefined;
  #cells: (string | null)[] = [];
  #rowLine = 1;

  *push(text: string): Generator<Row> {
    for (let at = 0; at < text.length; at++) {
      const char = text.charAt(at);
      if (this.#quote !== undefined) {
        if (!this.#takeQuoted(char)) {
          at -= 1;
          continue;
        }
      } else if (this.#state === "head") this.#takeHead(char);
      else if (this.#state === "rows") {
        if (char === "(") this.#beginRow();
        else if (char === ";") this.#beginStatement();
      } else if (char === "'") {
        this.#quote = "'";
        this.#wasQuoted = true;
      } else if (char === "," || char === ")") {
        this.#endCell();
        if (char === ")") {
          this.#state = "rows";
          if (this.#columns) yield { line: this.#rowLine, columns: this.#columns, cells: this.#cells };
        }
      } else if (!this.#wasQuoted) this.#append(char);
      if (char === "\n") this.#line += 1;
    }
  }

  end(): void {
    if (this.#state === "row" || this.#state === "rows" || this.#quote !== undefined)
      throw badRequest("the dump does not end", "it may be cut off; export it again");
  }

  /** Whether the character belongs to the quoted text, or to its end. */
  #takeQuoted(char: string): boolean {
    if (this.#mayEnd) {
      this.#mayEnd = false;
      // Two quotes are one within the text.
      if (char !== this.#quote) {
        this.#quote = undefined;
        return false;
      }
      this.#append(char);
    } else if (this.#isEscaped) {
      this.#isEscaped = false;
      this.#append(ESCAPES[char] ?? char);
    } else if (char === "\\") this.#isEscaped = true;
    else if (char === this.#quote) this.#mayEnd = true;
    else this.#append(char);
    return true;
  }

  /** Up to VALUES, of a statement that may be any. */
  #takeHead(char: string): void {
    if (char === ";" || (char === "\n" && /^\s*(--|#)/.test(this.#text))) {
      this.#beginStatement();
      return;
    }
    if (char === "'" && !/^\s*(--|#)/.test(this.#text)) {
      this.#quote = char;
      return;
    }
    // Heads of other statements matter by their beginnings.
    if (this.#text.length < LIMITS.bulkRowChars) this.#text += char;
    if (!/\bVALUES\s*$/i.test(this.#text.slice(-10))) return;
    const [, table = "", names] =
      /^\s*INSERT\s+(?:IGNORE\s+)?INTO\s+`?(\w+)`?\s*(?:\(([^)]*)\))?\s*VALUES\s*$/i.exec(this.#text) ?? [];
    if (table === "") return;
    const columns = names === undefined ? COLUMNS : names.split(",").map((name) => name.replace(/[`\s]/g, ""));
    this.#columns = /(^|_)url$/i.test(table) ? columns : undefined;
    this.#state = "rows";
    this.#text = "";
  }

  #beginStatement(): void {
    this.#state = "head";
    this.#text = "";
  }

  #beginRow(): void {
    this.#state = "row";
    this.#cells = [];
    this.#rowLine = this.#line;
    this.#text = "";
  }

  #endCell(): void {
    const text = this.#wasQuoted ? this.#text : this.#text.trim();
    this.#cells.push(!this.#wasQuoted && text.toUpperCase() === "NULL" ? null : text);
    this.#text = "";
    this.#wasQuoted = false;
  }

  #append(char: string): void {
    // A table of theirs that is not read may have anything in it; of one that is read a row is refused for its length.
    if (this.#state === "row" && this.#text.length <= LIMITS.bulkRowChars) this.#text += char;
  }
}
