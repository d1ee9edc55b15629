// The products whose links can be brought here, and what their exports say: each from what its makers document, given with it.

import { badRequest } from "../errors.ts";
import { countOf, found, type Members, separated, splitShortUrl, textOf, textsOf, timeOf, times } from "./members.ts";
import { CSV, LINKS } from "./own-links.ts";
import type { Product } from "./product.ts";
import { type CsvMapping, readCsv } from "./read-csv.ts";
import { readTexts } from "./read-file.ts";
import { readJson } from "./read-json.ts";
import { readYourlsDump } from "./read-yourls-dump.ts";
import type { SourceLink } from "./source-link.ts";

/** https://github.com/shlinkio/shlink/tree/main/docs/swagger: ShortUrl; and the CSV that its web client writes. */
const SHLINK: Product = {
  name: "shlink",
  title: "Shlink",
  takes: "the CSV that Shlink's web client exports, or saved pages of GET /rest/v3/short-urls; or the server's URL",
  examples: [
    "deadletter import shlink short_urls.csv --dry-run",
    "DEADLETTER_IMPORT_KEY_FILE=key deadletter import shlink https://s.example.com",
  ],
  read: (path) =>
    isCsv(path)
      ? readCsv(path, named(["shortUrl", "longUrl"], shlinkRow))
      : readJson(readTexts(path), "data", shlinkUrl),
  pages: {
    list: "data",
    map: shlinkUrl,
    request: (page, key) => ({
      path: `/rest/v3/short-urls?page=${page}&itemsPerPage=500`,
      headers: { "x-api-key": key },
    }),
  },
};

function shlinkUrl(members: Members): SourceLink {
  const { tags, meta, visitsSummary, domain, forwardQuery, hasRedirectRules, crawlable } = members;
  const { validSince, validUntil, maxVisits } = (meta ?? {}) as Members;
  const { total } = (visitsSummary ?? { total: members.visitsCount }) as Members;
  return {
    short_code: textOf(members, "shortCode"),
    original_url: textOf(members, "longUrl"),
    title: textOf(members, "title"),
    tags: textsOf("tags", tags),
    ...times(members, { created_at: "dateCreated" }),
    starts_at: timeOf("validSince", String(validSince ?? "")) ?? null,
    expires_at: timeOf("validUntil", String(validUntil ?? "")) ?? null,
    // As Shlink does unless it was told otherwise; the visitor's value of a member stands.
    ...(forwardQuery === false || forwardQuery === undefined
      ? {}
      : { forward: "query" as const, query_wins: "visitor" as const }),
    clicks: countOf("visits", total),
    lost: [
      ...(domain ? [`domain ${String(domain).slice(0, 100)}`] : []),
      ...(maxVisits ? [`limit of ${String(maxVisits).slice(0, 20)} visits`] : []),
      ...(hasRedirectRules === true ? ["redirect rules"] : []),
      ...(crawlable === true ? ["crawlable"] : []),
    ],
  };
}

function shlinkRow(members: Members): SourceLink {
  const { code } = splitShortUrl(textOf(members, "shortUrl"));
  return {
    short_code: code,
    original_url: textOf(members, "longUrl"),
    title: textOf(members, "title"),
    tags: separated(textOf(members, "tags"), "|"),
    ...times(members, { created_at: "createdAt" }),
    clicks: countOf("visits", members.visits),
  };
}

/** https://yourls.org/docs: the table `yourls_url`, and the answer of `action=stats`, whose links have the code in `shorturl`. */
const YOURLS: Product = {
  name: "yourls",
  title: "YOURLS",
  takes: "a dump of its database, or answers of yourls-api.php?action=stats as JSON; or the URL of yourls-api.php",
  examples: [
    "deadletter import yourls yourls.sql --dry-run",
    "DEADLETTER_IMPORT_KEY_FILE=signature deadletter import yourls https://y.example.com/yourls-api.php",
  ],
  read: (path) =>
    /\.sql$/i.test(path) ? readYourlsDump(readTexts(path), yourlsRow) : readJson(readTexts(path), "links", yourlsLink),
  pages: {
    list: "links",
    emptyWith: "stats",
    map: yourlsLink,
    request: (page, key) => ({
      path: "",
      // Its signature may be sent in a body, and so stays out of logs of addresses.
      body: new URLSearchParams({
        ...{ action: "stats", filter: "last", format: "json", signature: key },
        ...{ limit: "500", start: String((page - 1) * 500) },
      }),
    }),
  },
};

function yourlsRow(members: Members): SourceLink {
  return yourls(members, textOf(members, "keyword"));
}

function yourlsLink(members: Members): SourceLink {
  return yourls(members, splitShortUrl(textOf(members, "shorturl")).code.replace(/^.*\//, ""));
}

function yourls(members: Members, code: string): SourceLink {
  return {
    short_code: code,
    original_url: textOf(members, "url"),
    title: textOf(members, "title"),
    ...times(members, { created_at: "timestamp" }),
    clicks: countOf("clicks", members.clicks),
  };
}

/** https://docs.kutt.it: Link. */
const KUTT: Product = {
  name: "kutt",
  title: "Kutt",
  takes: "saved answers of GET /api/v2/links; or the server's URL",
  examples: [
    "deadletter import kutt links.json --dry-run",
    "DEADLETTER_IMPORT_KEY_FILE=key deadletter import kutt https://k.example.com",
  ],
  read: (path) => readJson(readTexts(path), "data", kuttLink),
  pages: {
    list: "data",
    map: kuttLink,
    request: (page, key) => ({
      path: `/api/v2/links?limit=50&skip=${(page - 1) * 50}`,
      headers: { "x-api-key": key },
    }),
  },
};

function kuttLink(members: Members): SourceLink {
  const { password, banned, domain } = members;
  if (password === true) throw badRequest("is protected by a password, which no link here can be");
  return {
    short_code: textOf(members, "address"),
    original_url: textOf(members, "target"),
    title: textOf(members, "description"),
    ...times(members, { created_at: "created_at", updated_at: "updated_at" }),
    expires_at: timeOf("expire_in", textOf(members, "expire_in")) ?? null,
    is_active: banned !== true,
    clicks: countOf("visit_count", members.visit_count),
    lost: domain ? [`domain ${String(domain).slice(0, 100)}`] : [],
  };
}

/** https://dev.bitly.com/api-reference: a Bitlink's members, by which its exports name columns in one spelling or another. */
const BITLY: Product = {
  name: "bitly",
  title: "Bitly",
  takes: "a CSV of links",
  examples: ["deadletter import bitly links.csv --dry-run"],
  read: (path) => readCsv(path, bitlyMapping),
};

const BITLY_COLUMNS = {
  link: ["link", "bitlink", "shortlink", "shorturl", "id"],
  custom: ["custombackhalf", "custombackhalves", "custombitlink", "custombitlinks"],
  target: ["longurl", "destination", "destinationurl", "originalurl"],
  title: ["title"],
  created: ["created", "createdat", "datecreated", "creationdate"],
  tags: ["tags", "tag"],
  archived: ["archived"],
  clicks: ["clicks", "totalclicks", "engagements", "totalengagements"],
};

function bitlyMapping(columns: readonly string[]): (members: Members) => SourceLink {
  const find = (names: readonly string[]) =>
    columns.find((column) => names.includes(column.toLowerCase().replace(/[^a-z]/g, "")));
  const column = Object.fromEntries(Object.entries(BITLY_COLUMNS).map(([name, names]) => [name, find(names)]));
  if (column.target === undefined || (column.link === undefined && column.custom === undefined))
    throw badRequest(
      "line 1: names no column for the long URL, or none for the link",
      "any CSV can be imported with: deadletter import csv FILE --map original_url=COLUMN,short_code=COLUMN",
    );
  const cell = (members: Members, name: string) => (column[name] === undefined ? "" : textOf(members, column[name]));
  return (members) => {
    const [custom = "", ...others] = separated(cell(members, "custom"), ",");
    const { code, host } = splitShortUrl(
      custom.includes("/") || custom === "" ? custom || cell(members, "link") : `bit.ly/${custom}`,
    );
    return {
      short_code: code,
      original_url: cell(members, "target"),
      title: cell(members, "title"),
      tags: separated(cell(members, "tags"), ","),
      ...found("created_at", timeOf("created", cell(members, "created"))),
      is_active: !/^(true|yes|on|1)$/i.test(cell(members, "archived")),
      clicks: countOf("clicks", cell(members, "clicks")),
      lost: [
        ...(host === "bit.ly" ? [] : [`domain ${host}`]),
        ...others.map((other) => `second back-half ${other.slice(0, 100)}`),
      ],
    };
  };
}

export const PRODUCTS: readonly Product[] = [SHLINK, YOURLS, KUTT, BITLY, CSV, LINKS];

function isCsv(path: string): boolean {
  return /\.csv$/i.test(path);
}

/** A mapping of a CSV that must have these columns. */
function named(needed: readonly string[], map: (members: Members) => SourceLink): CsvMapping {
  return (columns) => {
    const missing = needed.find((name) => !columns.includes(name));
    if (missing !== undefined) throw badRequest(`line 1: there is no column ${missing}`);
    return map;
  };
}
