// Links as other products write them: files made here in the formats that those document.

import { PRODUCTS } from "../../src/importers/products.ts";

export interface Expected {
  readonly short_code: string;
  readonly original_url: string;
  readonly title: string;
  readonly tags: readonly string[];
  readonly created_at: string;
  readonly starts_at: string | null;
  readonly expires_at: string | null;
  readonly is_active: boolean;
  readonly clicks: number;
}

const SQL_TIME = (iso: string) => iso.slice(0, 19).replace("T", " ");
const CELL = (text: string) => `"${text.replaceAll('"', '""')}"`;
const MYSQL = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n")}'`;

/** How a product writes links, which of a link's members it has, and rows that no link can be made of. */
export interface Format {
  readonly name: string;
  readonly file: string;
  readonly has: readonly (keyof Expected)[];
  readonly options?: { readonly map: Record<string, string> };
  write(links: readonly Expected[]): string | Uint8Array;
}

export const shlinkUrl = (link: Expected) => ({
  shortCode: link.short_code,
  shortUrl: `https://s.test/${link.short_code}`,
  longUrl: link.original_url,
  dateCreated: link.created_at.replace(".000Z", "+00:00"),
  visitsSummary: { total: link.clicks, nonBots: link.clicks, bots: 0 },
  tags: link.tags,
  meta: { validSince: link.starts_at, validUntil: link.expires_at, maxVisits: null },
  domain: null,
  title: link.title,
  crawlable: false,
  forwardQuery: false,
  hasRedirectRules: false,
});
export const kuttLink = (link: Expected) => ({
  id: crypto.randomUUID(),
  address: link.short_code,
  target: link.original_url,
  description: link.title,
  banned: !link.is_active,
  password: false,
  domain: null,
  expire_in: link.expires_at,
  link: `https://k.test/${link.short_code}`,
  created_at: link.created_at,
  updated_at: link.created_at,
  visit_count: link.clicks,
});
export const csv = (header: string, rows: readonly (readonly string[])[]) =>
  [header, ...rows.map((cells) => cells.map(CELL).join(","))].join("\r\n");

export const FORMATS: readonly Format[] = [
  {
    name: "shlink",
    file: "pages.json",
    has: ["title", "tags", "created_at", "starts_at", "expires_at", "clicks"],
    write: (links) =>
      Array.from({ length: Math.ceil(links.length / 500) }, (_, page) =>
        JSON.stringify({
          shortUrls: {
            data: links.slice(page * 500, page * 500 + 500).map(shlinkUrl),
            pagination: { currentPage: page + 1, pagesCount: Math.ceil(links.length / 500) },
          },
        }),
      ).join("\n"),
  },
  {
    name: "shlink",
    file: "short_urls.csv",
    has: ["title", "tags", "created_at", "clicks"],
    write: (links) =>
      csv(
        "createdAt,domain,shortCode,shortUrl,longUrl,title,tags,visits",
        links.map((link) => [
          link.created_at,
          "s.test",
          link.short_code,
          `https://s.test/${link.short_code}`,
          link.original_url,
          link.title,
          link.tags.join("|"),
          String(link.clicks),
        ]),
      ),
  },
  {
    name: "yourls",
    file: "dump.sql",
    has: ["title", "created_at", "clicks"],
    write: (links) =>
      [
        "-- MySQL dump 10.13; a comment that isn't closed",
        "CREATE TABLE `yourls_url` (\n  `keyword` varchar(100) NOT NULL DEFAULT '',\n  `url` text\n);",
        "INSERT INTO `yourls_options` VALUES (1,'x\\';','INSERT INTO `yourls_url` VALUES (1)');",
        ...Array.from({ length: Math.ceil(links.length / 700) }, (_, at) => {
          const rows = links
            .slice(at * 700, at * 700 + 700)
            .map(
              (link) =>
                `(${[link.short_code, link.original_url, link.title, SQL_TIME(link.created_at), "203.0.113.9"].map(MYSQL).join(",")},${link.clicks})`,
            );
          return `INSERT INTO \`yourls_url\` VALUES ${rows.join(",\n")};`;
        }),
        "INSERT INTO `yourls_log` VALUES (1,'2025-01-01 00:00:00','abc','','','','');",
      ].join("\n"),
  },
  {
    name: "yourls",
    file: "stats.json",
    has: ["title", "created_at", "clicks"],
    write: (links) =>
      JSON.stringify({
        links: Object.fromEntries(
          links.map((link, at) => [
            `link_${at + 1}`,
            {
              shorturl: `https://y.test/${link.short_code}`,
              url: link.original_url,
              title: link.title,
              timestamp: SQL_TIME(link.created_at),
              ip: "203.0.113.9",
              clicks: String(link.clicks),
            },
          ]),
        ),
        stats: { total_links: String(links.length), total_clicks: "1" },
        statusCode: 200,
      }),
  },
  {
    name: "kutt",
    file: "links.json",
    has: ["title", "created_at", "expires_at", "is_active", "clicks"],
    write: (links) => JSON.stringify({ limit: 50, skip: 0, total: links.length, data: links.map(kuttLink) }, null, 1),
  },
  {
    name: "bitly",
    file: "bitly.csv",
    has: ["title", "tags", "created_at", "is_active", "clicks"],
    write: (links) =>
      csv(
        "Link,Long URL,Title,Created At,Tags,Archived,Total Clicks",
        links.map((link) => [
          `bit.ly/${link.short_code}`,
          link.original_url,
          link.title,
          link.created_at.replace(".000Z", "+0000"),
          link.tags.join(","),
          String(!link.is_active),
          String(link.clicks),
        ]),
      ),
  },
  {
    name: "csv",
    file: "any.csv",
    has: ["title", "tags", "created_at", "expires_at", "clicks"],
    options: {
      map: { target: "long_url", code: "slug", title: "name", tags: "labels", created_at: "made", clicks: "hits" },
    },
    write: (links) =>
      csv(
        "slug,long_url,name,labels,made,expires_at,hits,nothing of ours",
        links.map((link) => [
          link.short_code,
          link.original_url,
          link.title,
          link.tags.join("|"),
          link.created_at,
          link.expires_at ?? "",
          String(link.clicks),
          "x",
        ]),
      ),
  },
];

export function linksOf(name: string, count: number): Expected[] {
  return Array.from({ length: count }, (_, at) => ({
    short_code: `${name}-${at}_x`,
    original_url: `https://example.com/${at}?q=%C3%A9&n=${at}`,
    title: at % 3 === 0 ? "" : `It's "${at}", a title; =1+${at} ü`,
    tags: at % 2 === 0 ? [] : ["Alpha", `n${at % 10}`],
    created_at: new Date(Date.UTC(2020, 0, 1) + at * 61_000).toISOString(),
    starts_at: at % 5 === 0 ? "2021-01-01T00:00:00.000Z" : null,
    expires_at: at % 4 === 0 ? "2031-01-01T00:00:00.000Z" : null,
    is_active: at % 6 !== 0,
    clicks: at % 7,
  }));
}

export function productNamed(name: string) {
  const product = PRODUCTS.find((each) => each.name === name);
  if (!product) throw new Error(name);
  return product;
}
