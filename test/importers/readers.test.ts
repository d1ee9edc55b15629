// What reads other products' files and asks their servers: cut off, bent, in pieces, or something else.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchPages } from "../../src/importers/fetch-pages.ts";
import { timeOf } from "../../src/importers/members.ts";
import { readYourlsDump } from "../../src/importers/read-yourls-dump.ts";
import { type Expected, kuttLink, linksOf, productNamed, shlinkUrl } from "./formats.ts";

const folder = mkdtempSync(join(tmpdir(), "deadletter-readers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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
    ["csv", "semicolons.csv", "short_code;original_url\n", "separated by commas"],
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
