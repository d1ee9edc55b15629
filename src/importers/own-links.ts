// Links whose members are called as they are here: any CSV, and what `export links` wrote.

import { badRequest } from "../errors.ts";
import { FORWARDS, QUERY_WINNERS } from "../model/forward.ts";
import { LINK_STATUSES } from "../model/link.ts";
import { unescapeCell } from "../runtime/csv.ts";
import { chosen, countOf, flagOf, type Members, separated, textOf, textsOf, timeOf, times } from "./members.ts";
import type { Product } from "./product.ts";
import { type CsvMapping, readCsv } from "./read-csv.ts";
import { readLines } from "./read-lines.ts";
import type { SourceLink } from "./source-link.ts";

/** Any CSV: columns named as links' members are, or as `map` says. */
export const CSV: Product = {
  name: "csv",
  title: "any CSV file",
  takes: "a CSV whose columns are called as links' members are, or as --map says",
  examples: ["deadletter import csv links.csv --map original_url=long_url,short_code=slug --dry-run"],
  read: (path, { map }) =>
    readCsv(
      path,
      csvMapping(map, (cell) => cell, /[,|]/),
    ),
};

/** What `export links` wrote. */
export const LINKS: Product = {
  name: "links",
  title: "deadletter",
  takes: "what deadletter export links wrote, as CSV or NDJSON",
  examples: ["deadletter export links --format csv > links.csv", "deadletter import links links.csv --dry-run"],
  read: (path, { map }) =>
    /\.csv$/i.test(path)
      ? readCsv(path, csvMapping(map, unescapeCell, ","))
      : readLines(path, (members) => ownLink(members, members.user_id, ",")),
};

const MEMBERS = [
  ...["short_code", "original_url", "title", "tags", "is_active", "created_at", "updated_at", "starts_at"],
  ...["expires_at", "status", "max_age", "forward", "query_wins", "clicks", "imported_clicks"],
];

/** `target` and `code` are short for the two that every file must have. */
const SHORT_NAMES: Readonly<Record<string, string>> = { target: "original_url", code: "short_code" };

function csvMapping(
  map: Readonly<Record<string, string>>,
  textIn: (cell: string) => string,
  separator: string | RegExp,
): CsvMapping {
  return (columns) => {
    const columnOf = new Map(MEMBERS.filter((name) => columns.includes(name)).map((name) => [name, name]));
    for (const [name, column] of Object.entries(map)) {
      const member = SHORT_NAMES[name] ?? name;
      if (!MEMBERS.includes(member)) throw badRequest(`--map: ${name}: is none of ${MEMBERS.join(", ")}`);
      if (!columns.includes(column)) throw badRequest(`--map: there is no column ${JSON.stringify(column)}`);
      columnOf.set(member, column);
    }
    for (const needed of ["short_code", "original_url"])
      if (!columnOf.has(needed))
        throw badRequest(`line 1: no column is called ${needed}`, `say which it is: --map ${needed}=COLUMN`);
    return (members) =>
      ownLink(
        Object.fromEntries([...columnOf].map(([name, column]) => [name, textIn(textOf(members, column))])),
        members.user_id,
        separator,
      );
  };
}

/** Members as the API names them, as JSON or as a CSV's cells. */
function ownLink(members: Members, owner: unknown, separator: string | RegExp): SourceLink {
  const text = (name: string) => textOf(members, name);
  const tags = members.tags;
  return {
    short_code: text("short_code"),
    original_url: text("original_url"),
    title: text("title"),
    tags: Array.isArray(tags) ? textsOf("tags", tags) : separated(text("tags"), separator),
    is_active: flagOf("is_active", text("is_active")),
    ...times(members, { created_at: "created_at", updated_at: "updated_at" }),
    starts_at: timeOf("starts_at", text("starts_at")) ?? null,
    expires_at: timeOf("expires_at", text("expires_at")) ?? null,
    ...chosen("status", text("status"), LINK_STATUSES),
    ...chosen("forward", text("forward"), FORWARDS),
    ...chosen("query_wins", text("query_wins"), QUERY_WINNERS),
    max_age: text("max_age") === "" ? null : Number(text("max_age")),
    clicks: countOf("clicks", members.clicks) + countOf("imported_clicks", members.imported_clicks),
    lost: owner === undefined || owner === null || owner === "" ? [] : ["owner (name one with --owner)"],
  };
}
