// Links out of other products are brought in, compared one by one, and brought in again; hostile rows are refused by their place.

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ImportLinksOptions, importLinks, type Remark } from "../../src/importers/import-links.ts";
import { proposeCode, type Read } from "../../src/importers/source-link.ts";
import { describeEachEngine, type TestServer } from "../support/harness.ts";
import { csv, type Expected, FORMATS, type Format, linksOf, productNamed } from "./formats.ts";

const folder = mkdtempSync(join(tmpdir(), "deadletter-products-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DEFAULTS = { title: "", tags: [], starts_at: null, expires_at: null, is_active: true, clicks: 0 };

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
