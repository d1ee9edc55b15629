// Links out of other products: files made here in the formats that those document, brought in, compared one by one, and brought in
// again; hostile rows are refused by their place.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchPages } from "../../src/importers/fetch-pages.ts";
import { type ImportLinksOptions, importLinks, type Remark } from "../../src/importers/import-links.ts";
import { timeOf } from "../../src/importers/members.ts";
import { PRODUCTS } from "../../src/importers/products.ts";
import { readYourlsDump } from "../../src/importers/read-yourls-dump.ts";
import { proposeCode, type Read } from "../../src/importers/source-link.ts";
import { describeEachEngine, type TestServer } from "../support/harness.ts";

const folder = mkdtempSync(join(tmpdir(), "deadletter-products-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Expected {
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
interface Format {
  readonly name: string;
  readonly file: string;
  readonly has: readonly (keyof Expected)[];
  readonly options?: { readonly map: Record<string, string> };
  write(links: readonly Expected[]): string | Uint8Array;
}

const shlinkUrl = (link: Expected) => ({
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
const kuttLink = (link: Expected) => ({
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
const csv = (header: string, rows: readonly (readonly string[])[]) =>
  [header, ...rows.map((cells) => cells.map(CELL).join(","))].join("\r\n");

const FORMATS: readonly Format[] = [
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

function linksOf(name: string, count: number): Expected[] {
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

const DEFAULTS = { title: "", tags: [], starts_at: null, expires_at: null, is_active: true, clicks: 0 };

function productNamed(name: string) {
  const product = PRODUCTS.find((each) => each.name === name);
  if (!product) throw new Error(name);
  return product;
}

async function bring({ deadletter }: TestServer, reads: AsyncIterable<Read>, more: Partial<ImportLinksOptions> = {}) {
  const remarks: Remark[] = [];
  const report = await importLinks(deadletter.core, deadletter.self, reads, {
    product: "test",
    isDryRun: false,
    isAllOrNothing: false,
    takesProposals: false,
    owner: undefined,
    onRemark: (remark) => remarks.push(remark),
    onProgress: () => {},
    ...more,
  });
  return { ...report, remarks };
}

function fileOf({ file, write }: Pick<Format, "file" | "write">, links: readonly Expected[]): string {
  const path = join(folder, `${links[0]?.short_code}-${file}`);
  writeFileSync(path, write(links));
  return path;
}

async function exported({ call }: TestServer, prefix: string) {
  const lines = (await call("GET", "/api/export/links")).text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line)).filter(({ short_code }) => short_code.startsWith(`${prefix}-`));
}

describeEachEngine("imports", (server) => {
  test.each(FORMATS.map((format) => [`${format.name} ${format.file}`, format] as const))(
    "of %s bring every link in, each once, and a second one changes nothing",
    async (_, format) => {
      const { name, file, has } = format;
      const prefix = `${name}${file.length}`;
      const links = linksOf(prefix, server().store.engine === "sqlite" ? 10_000 : 1_000);
      const path = fileOf(format, links);
      const options = { map: {}, ...format.options };
      const read = () => productNamed(name).read(path, options);
      const dry = await bring(server(), read(), { product: name, isDryRun: true });
      expect([dry.imported, dry.refused, dry.remarks]).toEqual([links.length, 0, []]);
      expect(await exported(server(), prefix)).toEqual([]);
      const first = await bring(server(), read(), { product: name });
      expect([first.read, first.imported, first.refused]).toEqual([links.length, links.length, 0]);
      const found = await exported(server(), prefix);
      const carried = (link: Expected) =>
        Object.fromEntries(
          Object.entries(link).map(([member, value]) => [
            member,
            ["short_code", "original_url", ...has].includes(member as keyof Expected)
              ? value
              : DEFAULTS[member as keyof typeof DEFAULTS],
          ]),
        );
      const shown = found.map(({ imported_clicks, ...link }) => {
        const row = { ...link, clicks: imported_clicks };
        return Object.fromEntries(Object.keys(links[0] as object).map((member) => [member, row[member]]));
      });
      expect(shown).toEqual(links.map(carried));
      const second = await bring(server(), read(), { product: name });
      expect([second.imported, second.unchanged, second.refused]).toEqual([0, links.length, 0]);
    },
    120_000,
  );

  test("leave a history that verifies, and clicks that are marked imported", async () => {
    const { call } = server();
    expect(await server().verify()).toEqual([]);
    const code = "kutt10-5_x";
    const link = (await call("GET", `/urls/${code}`)).json;
    expect(link.events[0]).toMatchObject({ event_type: "imported" });
    expect(link.events[0].details.imported_from).toEqual({ product: "kutt", clicks: 5 });
    expect((await call("GET", `/urls/${code}/clicks`)).json).toMatchObject({ imported: 5, rows: [] });
    expect(link.clicks).toBe(0);
  }, 60_000);

  test("refuse hostile rows by their line, and take the rest", async () => {
    const path = join(folder, "hostile.csv");
    const rows: (readonly [string, string, string])[] = [
      ["=cmd|'/c calc'!A0", "https://example.com/", "formula as a code"],
      ["host-1", "=HYPERLINK(1)", "formula as a target"],
      ["host-2", "javascript:alert(1)", ""],
      ["host-3", "https://example.com/", "x".repeat(1_000_000)],
      ["host-4", "https://example.com/", "a\0b"],
      ["host-5", "https://example.com/", "BAD"],
      ["host-6", "https://example.com/", "=1+1"],
      ["host-6", "https://example.com/again", ""],
      ["urls", "https://example.com/", ""],
      ["12345", "https://example.com/", ""],
      ["host-7", "http://localhost/", ""],
    ];
    const text = csv("short_code,original_url,title", rows);
    writeFileSync(
      path,
      Buffer.from(text.replace("BAD", "\u0001")).map((byte) => (byte === 1 ? 0xff : byte)),
    );
    const { remarks, ...report } = await bring(server(), productNamed("csv").read(path, { map: {} }));
    expect(remarks.map(({ place, refused }) => `${place}: ${refused?.slice(0, 40)}`)).toEqual([
      "line 2: short_code: must be 3 to 64 characters o",
      'line 3: original_url: cannot shorten "=HYPERLINK',
      'line 4: original_url: cannot shorten "javascript',
      "line 5: is longer than 65536 characters",
      "line 6: title: must not contain control characte",
      "line 7: has bytes that are not UTF-8",
      "line 9: has the code of line 8",
      'line 10: short_code: "urls" is a reserved word',
      "line 11: short_code: must not be all digits, whic",
    ]);
    expect([report.imported, report.refused]).toEqual([2, 9]);
    // What a spreadsheet would run is kept as it is, and escaped on its way out.
    const out = (await server().call("GET", "/api/export/links?format=csv")).text;
    expect(out).toContain("host-6,https://example.com/,'=1+1,");
  });

  test("propose a code for one that cannot be, and take it where that is asked for", async () => {
    const path = join(folder, "proposals.csv");
    writeFileSync(path, "short_code,original_url\na/b,https://example.com/\nül,https://example.com/\n");
    const read = () => productNamed("csv").read(path, { map: {} });
    const refused = await bring(server(), read());
    expect(refused.remarks.map(({ proposal }) => proposal)).toEqual([proposeCode("a/b"), proposeCode("ül")]);
    const taken = await bring(server(), read(), { takesProposals: true });
    expect([taken.imported, taken.renamed, taken.refused]).toEqual([2, 2, 0]);
    expect((await bring(server(), read(), { takesProposals: true })).unchanged).toBe(2);
  });

  test("import none where any is refused and all or nothing was asked for", async () => {
    const { call } = server();
    await call("POST", "/urls", { original_url: "https://example.com/", short_code: "all-2" });
    const path = join(folder, "all.csv");
    writeFileSync(path, "short_code,original_url\nall-1,https://example.com/\nall-2,https://example.com/\n");
    const read = () => productNamed("csv").read(path, { map: {} });
    const { remarks, ...report } = await bring(server(), read(), { isAllOrNothing: true });
    expect([report.imported, report.refused]).toEqual([0, 1]);
    expect(remarks).toEqual([{ place: "line 3", code: "all-2", refused: "its code is taken" }]);
    expect((await call("GET", "/urls/all-1")).status).toBe(404);
    expect((await bring(server(), read())).imported).toBe(1);
  });

  test("are refused whole, before and not while they are written, for what the store alone knows", async () => {
    const path = join(folder, `${server().store.engine}-future.csv`);
    writeFileSync(
      path,
      "short_code,original_url,created_at\nfut-1,https://example.com/,2099-01-01\nfut-2,https://example.com/,\n",
    );
    const read = () => productNamed("csv").read(path, { map: {} });
    const dry = await bring(server(), read(), { isDryRun: true });
    expect([dry.imported, dry.refused, dry.remarks[0]?.refused]).toEqual([1, 1, "created_at: lies in the future"]);
    expect((await bring(server(), read(), { isAllOrNothing: true })).imported).toBe(0);
    expect((await bring(server(), read(), { owner: 999, isDryRun: true })).refused).toBe(2);
    expect((await server().call("GET", "/urls/fut-2")).status).toBe(404);
    writeFileSync(path, "short_code,original_url\n");
    expect(bring(server(), read())).rejects.toThrow("no link in it");
  });

  test("obey holds, and the owner that is named", async () => {
    const { call, adminId } = server();
    const opened = await call("POST", "/api/incidents", { match: { host: "held.example" }, reason: "x", hold: true });
    const path = join(folder, "held.csv");
    writeFileSync(path, "short_code,original_url\nheld-1,https://held.example/\nheld-2,https://example.com/\n");
    const read = () => productNamed("csv").read(path, { map: {} });
    for (const isDryRun of [true, false]) {
      const { remarks, imported } = await bring(server(), read(), { isDryRun, owner: adminId });
      expect([imported, remarks.map(({ code }) => code)]).toEqual([1, ["held-1"]]);
    }
    expect((await call("GET", "/urls/held-2")).json.user_id).toBe(adminId);
    await call("POST", `/api/incidents/${opened.json.incident.id}/close`);
  });

  test("of an export give the same links", async () => {
    const { call } = server();
    await call("POST", "/urls", {
      original_url: "https://example.com/{1}",
      short_code: "-whole",
      title: '\'=x, "y" ü',
      tags: ["A|b", "c"],
      forward: "template",
      status: 307,
      max_age: 60,
      starts_at: "2020-01-01T00:00:00Z",
    });
    await call("DELETE", "/urls/-whole");
    for (const format of ["csv", "ndjson"]) {
      const path = join(folder, `${server().store.engine}-out.${format}`);
      writeFileSync(path, (await call("GET", `/api/export/links?format=${format}`)).text);
      const reads = await Array.fromAsync(productNamed("links").read(path, { map: {} }));
      const lines = (await call("GET", "/api/export/links")).text.trim().split("\n");
      expect(reads.length).toBe(lines.length);
      const read = reads.find(({ link }) => link?.short_code === "-whole");
      const { incident_id, id, version, user_id, clicks, imported_clicks, ...kept } = JSON.parse(
        lines.find((line) => line.includes('"-whole"')) as string,
      );
      expect(read?.link).toEqual({ ...kept, clicks, lost: ["owner (name one with --owner)"] });
    }
  });
});

describe("an import from a server", () => {
  const asked: { path: string; key: string | null; body: string }[] = [];
  const api = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      const body = await request.text();
      asked.push({ path: pathname, key: request.headers.get("x-api-key"), body });
      const links = linksOf("net", 3);
      if (pathname === "/rest/v3/short-urls")
        return Response.json({
          shortUrls: { data: searchParams.get("page") === "1" ? links.map(shlinkUrl) : [], pagination: {} },
        });
      if (pathname === "/api/v2/links")
        return Response.json({ total: 3, data: searchParams.get("skip") === "0" ? links.map(kuttLink) : [] });
      if (pathname === "/moved/rest/v3/short-urls") return Response.redirect("http://127.0.0.1:1/", 302);
      if (pathname === "/closed/rest/v3/short-urls") return new Response("", { status: 401 });
      if (pathname === "/odd/rest/v3/short-urls") return Response.json({ error: "rate limited" });
      if (pathname === "/same/rest/v3/short-urls") return Response.json({ data: links.map(shlinkUrl) });
      if (pathname === "/cut/rest/v3/short-urls") return new Response('{"data":[{"shortCode":"a');
      const isFirst = new URLSearchParams(body).get("start") === "0";
      return Response.json({
        ...(isFirst
          ? { links: { link_1: { shorturl: "https://y.test/n0", url: "https://example.com/", clicks: 1 } } }
          : {}),
        stats: { total_links: "1" },
      });
    },
  });
  afterAll(() => api.stop(true));
  const read = (name: string, path = "") => {
    const { pages } = productNamed(name);
    if (!pages) throw new Error(name);
    return Array.fromAsync(fetchPages(`http://127.0.0.1:${api.port}${path}`, pages, "the key"));
  };

  test.each([
    ["shlink", "", 3],
    ["kutt", "", 3],
    ["yourls", "/yourls-api.php", 1],
  ])("reads %s page after page, with the key where that product takes it", async (name, path, count) => {
    asked.length = 0;
    const reads = await read(name, path);
    expect(reads.map(({ link }) => link !== undefined)).toEqual(Array.from({ length: count }, () => true));
    expect(reads[0]?.place).toBe("page 1, element 1");
    expect(asked).toHaveLength(2);
    for (const { key, body } of asked) expect(key ?? new URLSearchParams(body).get("signature")).toBe("the key");
  });

  test("does not take an error, a page that comes again, or an answer that breaks off for the end", async () => {
    expect(read("shlink", "/odd")).rejects.toThrow("there is no list called data");
    expect(read("shlink", "/same")).rejects.toThrow("the same page again");
    expect(read("shlink", "/cut")).rejects.toThrow("does not end");
    const { pages } = productNamed("kutt");
    if (!pages) throw new Error("kutt");
    expect(Array.fromAsync(fetchPages("http://u:secret@127.0.0.1:1", pages, "k"))).rejects.toThrow("no user");
    expect(Array.fromAsync(fetchPages("http://127.0.0.1:1", pages, undefined))).rejects.toThrow("key");
    expect(Array.fromAsync(fetchPages("http://127.0.0.1:1", pages, "k"))).rejects.toThrow(
      "cannot read http://127.0.0.1:1",
    );
  });

  test("does not follow redirects, and says what a refused key wants", async () => {
    expect(read("shlink", "/moved")).rejects.toThrow("answers 302");
    expect(read("shlink", "/closed")).rejects.toThrow("does not take the key");
  });
});

describe("readers", () => {
  const read = async (name: string, file: string, text: string) => {
    const path = join(folder, file);
    writeFileSync(path, text);
    return await Array.fromAsync(productNamed(name).read(path, { map: {} }));
  };

  test.each([
    ["shlink", "cut.json", '{"shortUrls":{"data":[{"shortCode":"abc"', "does not end"],
    ["yourls", "cut.sql", "INSERT INTO `yourls_url` VALUES ('abc','https://e", "does not end"],
    ["kutt", "bent.json", '{"data":[{]}', "not JSON"],
    ["csv", "empty.csv", "", "empty"],
    ["kutt", "empty.json", "", "no list called data"],
    ["shlink", "odd.json", '{"items":[]}', "no list called data"],
    ["yourls", "other.sql", "select 1;", "no INSERT"],
    ["csv", "other.csv", "a,b\n1,2\n", "no column is called short_code"],
    ["csv", "twice.csv", "short_code,short_code,original_url\n", "twice"],
    ["bitly", "other-bitly.csv", "a,b\n1,2\n", "names no column"],
    ["shlink", "other-shlink.csv", "a,b\n1,2\n", "no column shortUrl"],
  ])("of %s refuse %s, which is cut off or something else", (name, file, text, why) => {
    expect(read(name, file, text)).rejects.toThrow(why);
  });

  test("of a dump know comments, other tables, quotes and what dumps write, in chunks of any size", async () => {
    const text = [
      "# dump; of Bob's",
      "/* it's */ -- it's; too",
      "INSERT INTO `log` VALUES ('x','INSERT INTO `yourls_url` VALUES (1);','it\\'s');",
      "INSERT INTO `a_url` (`id`,`path`) VALUES (1,'p');",
      "INSERT IGNORE INTO `my`.`yourls_url` (`keyword`, `url`, `clicks`) VALUES ( 'one' , 'https://e.example/1' , 3 ),",
      "(0x74776f, _binary 'https://e.example/it''s', X'34') ON DUPLICATE KEY UPDATE clicks = VALUES(clicks);",
      `REPLACE INTO "yourls_url" VALUES ('three','https://e.example/3','a;\\'b','0000-00-00 00:00:00','ip',5)`,
    ].join("\n");
    const links = [
      ["one", "https://e.example/1", 3],
      ["two", "https://e.example/it's", 4],
      ["three", "https://e.example/3", 5],
    ];
    for (const size of [1, 2, 7, text.length]) {
      const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
        text.slice(at * size, (at + 1) * size),
      );
      const texts = (async function* () {
        yield* chunks;
      })();
      const reads = await Array.fromAsync(
        readYourlsDump(texts, (members) => ({
          short_code: String(members.keyword),
          original_url: String(members.url),
          clicks: Number(members.clicks),
        })),
      );
      expect(reads.map(({ link, refusal }) => refusal ?? [link?.short_code, link?.original_url, link?.clicks])).toEqual(
        links,
      );
    }
  });

  test.each([
    ["2025-06-09 11:24:49", "2025-06-09T11:24:49.000Z"],
    ["2025-06-09T11:24:49", "2025-06-09T11:24:49.000Z"],
    ["2025-06-09 11:24:49+00:00", "2025-06-09T11:24:49.000Z"],
    ["2025-06-09T11:24:49.5+0200", "2025-06-09T09:24:49.500Z"],
    ["2025-06-09 11:24", "2025-06-09T11:24:00.000Z"],
    ["2025-06-09", "2025-06-09T00:00:00.000Z"],
    ["0000-00-00 00:00:00", undefined],
    ["", undefined],
  ])("read the time %j as %p", (text, time) => {
    expect(timeOf("created_at", text)).toBe(time);
    expect(() => timeOf("created_at", "June 9")).toThrow("created_at");
  });

  test("say what cannot be carried, and refuse what would be open though it was not", async () => {
    const [limited, locked] = await Promise.all([
      read(
        "shlink",
        "lost.json",
        JSON.stringify({
          data: [
            {
              ...shlinkUrl(linksOf("l", 1)[0] as Expected),
              domain: "d.test",
              hasRedirectRules: true,
              meta: { maxVisits: 5 },
            },
          ],
        }),
      ),
      read(
        "kutt",
        "locked.json",
        JSON.stringify({ data: [{ ...kuttLink(linksOf("l", 1)[0] as Expected), password: true }] }),
      ),
    ]);
    expect(limited[0]?.link?.lost).toEqual(["domain d.test", "limit of 5 visits", "redirect rules"]);
    expect(locked[0]?.refusal).toContain("password");
  });
});
