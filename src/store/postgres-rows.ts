// Many rows as one statement of PostgreSQL's: each column is an array, so that there is one text, and one plan, for any number of rows.

import { type Column, joinNames, type Value, valueIn } from "./store.ts";

/** Sent as text, since postgres.js cannot send bytes in an array. */
const ARRAY_TYPES = { integer: "::text::bigint[]", text: "::text::text[]", bytes: "::text::bytea[]" } as const;

/** The text around an array of values: `= any(...)`. */
export function amongText([first]: readonly (string | number)[]): TemplateStringsArray {
  return typeof first === "string" ? AMONG_TEXTS : AMONG_NUMBERS;
}

// The subselect runs once, and hides the array's length from the planner. Without it, before the first ANALYZE, PostgreSQL 15 scans
// the table sequentially for a long array and casts the text again for every row.
const AMONG_NUMBERS = templateOf(["= any((select ", `${ARRAY_TYPES.integer})::bigint[])`]);
const AMONG_TEXTS = templateOf(["= any((select ", `${ARRAY_TYPES.text})::text[])`]);

/** The texts that were made, by columns, kind and table: a few for each definition. */
const MADE = new WeakMap<readonly Column[], Map<string, TemplateStringsArray>>();

/** The text around the arrays of the columns of rows that are inserted, or updated by their ids. */
export function rowTexts(kind: "insert" | "update", table: string, columns: readonly Column[]): TemplateStringsArray {
  const known = MADE.get(columns) ?? new Map<string, TemplateStringsArray>();
  const made = known.get(`${kind} ${table}`);
  if (made !== undefined) return made;
  const names = columns.map(({ name }) => name);
  const all = joinNames(names);
  const set = names.filter((name) => name !== "id").map((name) => `${name} = d.${name}`);
  const [head, tail] =
    kind === "insert"
      ? [`insert into ${joinNames([table])} (${all}) select ${all} from`, ""]
      : [`update ${joinNames([table])} t set ${set.join(", ")} from`, " where t.id = d.id"];
  const types = columns.map(({ type }) => ARRAY_TYPES[type]);
  const [last = ""] = types.slice(-1);
  const between = types.slice(0, -1).map((type) => `${type}, `);
  const texts = templateOf([`${head} unnest(`, ...between, `${last}) as d(${all})${tail}`]);
  MADE.set(columns, known.set(`${kind} ${table}`, texts));
  return texts;
}

export function arraysOf(columns: readonly Column[], rows: readonly object[]): readonly string[] {
  return columns.map((column) => arrayText(rows.map((row) => valueIn(row, column))));
}

/** An array in PostgreSQL's own words (manual, section 8.15.2). */
export function arrayText(values: readonly Value[]): string {
  return `{${values.map(elementText).join(",")}}`;
}

function elementText(value: Value): string {
  if (value === null) return "null";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return `"${escaped(escaped(value, "\\"), '"')}"`;
  return `"\\\\x${value.toHex()}"`;
}

/** Takes half the time of a regular expression on text with many quotes. */
function escaped(text: string, char: string): string {
  return text.includes(char) ? text.replaceAll(char, `\\${char}`) : text;
}

function templateOf(texts: readonly string[]): TemplateStringsArray {
  return Object.assign([...texts], { raw: texts });
}
