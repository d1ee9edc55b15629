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

const INSERT =
  /^\s*(?:INSERT(?:\s+(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE))*|REPLACE)\s+INTO\s+(?:[`"]?\w+[`"]?\.)?[`"]?(\w+)[`"]?\s*(?:\(([^)]*)\))?\s*VALUES\s*$/i;

class DumpReader {
  /** Text that has no end yet: the head of a statement, or a value. */
  #text = "";
  #line = 1;
  #state: "head" | "rows" | "row" | "tail" = "head";
  #comment: "line" | "block" | undefined;
  #previous = "";
  #isInQuotes = false;
  #isEscaped = false;
  #mayEnd = false;
  #wasQuoted = false;
  #isHex = false;
  #hasTable = false;
  #columns: readonly string[] | undefined;
  #cells: (string | null)[] = [];
  #rowLine = 1;

  *push(text: string): Generator<Row> {
    for (let at = 0; at < text.length; at++) {
      const char = text.charAt(at);
      if (this.#isInQuotes) {
        // What comes after the end of quotes is looked at once more, as what it is then.
        if (!this.#takeQuoted(char)) {
          at -= 1;
          continue;
        }
      } else if (this.#state === "row") {
        if (this.#takeRow(char) && this.#columns)
          yield { line: this.#rowLine, columns: this.#columns, cells: this.#cells };
      } else if (!this.#takeComment(char)) this.#takeStatement(char);
      this.#previous = char;
      if (char === "\n") this.#line += 1;
    }
  }

  end(): void {
    if (this.#state === "row" || (this.#isInQuotes && !this.#mayEnd))
      throw badRequest("the dump does not end", "it may be cut off; export it again");
    if (!this.#hasTable)
      throw badRequest(
        "there is no INSERT into a table of YOURLS in it",
        "its name ends in _url, its columns are those of YOURLS",
      );
  }

  /** Whether the character belongs to the quoted text, or to its end. */
  #takeQuoted(char: string): boolean {
    if (this.#mayEnd) {
      this.#mayEnd = false;
      // Two quotes are one within the text.
      if (char !== "'") {
        this.#isInQuotes = false;
        return false;
      }
      this.#append(char);
    } else if (this.#isEscaped) {
      this.#isEscaped = false;
      this.#append(ESCAPES[char] ?? char);
    } else if (char === "\\") this.#isEscaped = true;
    else if (char === "'") this.#mayEnd = true;
    else this.#append(char);
    return true;
  }

  /** Whether the character is part of a comment. */
  #takeComment(char: string): boolean {
    if (this.#comment === "line") {
      if (char === "\n") this.#comment = undefined;
      return true;
    }
    if (this.#comment === "block") {
      if (char === "/" && this.#previous === "*") this.#comment = undefined;
      return true;
    }
    const begun = this.#previous + char;
    if (char !== "#" && begun !== "--" && begun !== "/*") return false;
    this.#comment = begun === "/*" ? "block" : "line";
    if (char !== "#") this.#text = this.#text.slice(0, -1);
    return true;
  }

  #takeStatement(char: string): void {
    if (char === ";") this.#beginStatement("head");
    else if (char === "'") this.#isInQuotes = true;
    else if (this.#state === "head") this.#takeHead(char);
    else if (this.#state === "rows") {
      if (char === "(") this.#beginRow();
      // ON DUPLICATE KEY UPDATE and the like.
      else if (!/[\s,]/.test(char)) this.#beginStatement("tail");
    }
  }

  /** Up to VALUES, of a statement that may be any. */
  #takeHead(char: string): void {
    // Heads of other statements matter by their beginnings.
    if (this.#text.length < LIMITS.bulkRowChars) this.#text += char;
    if (!/\bVALUES\s*$/i.test(this.#text.slice(-10))) return;
    const [, table = "", names] = INSERT.exec(this.#text) ?? [];
    if (table === "") return;
    const columns = names === undefined ? COLUMNS : names.split(",").map((name) => name.replace(/[`"\s]/g, ""));
    const isOurs = /(^|_)url$/i.test(table) && columns.includes("keyword") && columns.includes("url");
    this.#columns = isOurs ? columns : undefined;
    this.#hasTable ||= isOurs;
    this.#beginStatement("rows");
  }

  #beginStatement(state: "head" | "rows" | "tail"): void {
    this.#state = state;
    this.#text = "";
  }

  #beginRow(): void {
    this.#state = "row";
    this.#cells = [];
    this.#rowLine = this.#line;
    this.#text = "";
  }

  /** Whether the row has come to its end. */
  #takeRow(char: string): boolean {
    if (char === "'") {
      // What stands before is a space, a character set (`_binary`), or says that it is hexadecimal.
      this.#isHex = this.#text.trim().toUpperCase() === "X";
      this.#text = "";
      this.#isInQuotes = true;
      this.#wasQuoted = true;
    } else if (char === "," || char === ")") {
      this.#endCell();
      if (char === ")") this.#state = "rows";
      return char === ")";
    } else if (!this.#wasQuoted) this.#append(char);
    return false;
  }

  #endCell(): void {
    const text = this.#wasQuoted ? this.#text : this.#text.trim();
    const hex = this.#isHex ? text : this.#wasQuoted ? undefined : /^0x([0-9a-f]*)$/i.exec(text)?.[1];
    const isNull = !this.#wasQuoted && text.toUpperCase() === "NULL";
    this.#cells.push(isNull ? null : hex === undefined ? text : Buffer.from(hex, "hex").toString());
    this.#text = "";
    this.#wasQuoted = false;
    this.#isHex = false;
  }

  #append(char: string): void {
    // A table of theirs that is not read may have anything in it; of one that is read a row is refused for its length.
    if (this.#state === "row" && this.#text.length <= LIMITS.bulkRowChars) this.#text += char;
  }
}
