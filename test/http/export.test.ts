// Exports: everything of one kind, streamed page by page, in columns that stay, with formulas escaped.

import { expect, test } from "bun:test";
import { LIMITS } from "../../src/limits.ts";
import { csvLine, unescapeCell } from "../../src/runtime/csv.ts";
import { describeEachEngine } from "../support/harness.ts";

const rowsOf = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

describeEachEngine("exports", (server) => {
  const get = (path: string) => server().call("GET", `/api/export/${path}`);

  test("of nothing are empty, and in CSV a line of names", async () => {
    expect((await get("links")).text).toBe("");
    expect((await get("clicks?format=csv")).text).toBe("short_code,hour,kind,device,referrer,clicks\r\n");
  });

  test("of links have each once, in the order of ids, over many pages", async () => {
    const { call } = server();
    const count = LIMITS.exportRows * 2 + 3;
    const rows = Array.from({ length: count }, (_, at) => `{"original_url":"https://example.com/${at}"}\n`).join("");
    await call("POST", "/urls/bulk", rows, { headers: { "content-type": "application/x-ndjson" } });
    const links = rowsOf((await get("links")).text);
    expect(links.map(({ original_url }) => original_url)).toEqual(
      Array.from({ length: count }, (_, at) => `https://example.com/${at}`),
    );
    const lines = (await get("links?format=csv")).text.trimEnd().split("\r\n");
    expect(lines).toHaveLength(count + 1);
    expect(lines[0]).toBe(
      "short_code,original_url,title,is_active,starts_at,expires_at,tags,status,max_age,forward,query_wins," +
        "created_at,updated_at,user_id,id,version,incident_id,clicks,imported_clicks",
    );
    await call("PATCH", `/urls/${links[5].short_code}`, { title: "later" });
    const since = (await call("GET", `/urls/${links[5].short_code}`)).json.updated_at;
    expect(rowsOf((await get(`links?since=${since}`)).text).map(({ title }) => title)).toContain("later");
  });

  test("of clicks have every hour of every link", async () => {
    const { store } = server();
    const hours = Array.from({ length: LIMITS.exportRows + 5 }, (_, at) => 400_000 + at);
    for (const [kind, device] of [
      ["click", "desktop"],
      ["bot", "other"],
    ])
      await store.tamper(
        `insert into click_hours (url_id, hour, kind, device, referrer, clicks) values ${hours
          .map((hour) => `((select min(id) from urls), ${hour}, '${kind}', '${device}', 'a.example', 2)`)
          .join(",")}`,
      );
    const rows = rowsOf((await get("clicks")).text);
    expect(rows).toHaveLength(hours.length * 2);
    expect(new Set(rows.map((row) => JSON.stringify(row))).size).toBe(rows.length);
    const since = new Date(400_003 * 3_600_000).toISOString();
    expect(rowsOf((await get(`clicks?since=${since}`)).text)).toHaveLength((hours.length - 3) * 2);
  });

  test("of events have each as it is shown, and hide what the key may not see", async () => {
    const { call, adminId } = server();
    const events = rowsOf((await get("events")).text);
    const listed = (await call("GET", "/events?per_page=100")).json;
    expect(events.slice(-100).reverse()).toEqual(listed);
    const { key } = (await call("POST", `/users/${adminId}/keys`, { name: "r", role: "reader" })).json;
    const seen = rowsOf((await call("GET", "/api/export/events", undefined, { key })).text);
    const own = (await call("GET", "/events?per_page=1", undefined, { key })).json;
    expect(seen.at(-1)).toEqual(own[0]);
  });

  test.each([
    ["links?format=xml", "format"],
    ["links?since=yesterday", "since"],
    ["links?page=2", "page"],
  ])("refuse %s", async (path, member) => {
    const answer = await get(path);
    expect([answer.status, answer.json.detail]).toEqual([400, expect.stringContaining(member)]);
  });

  test("need a key; are so many at once, and those that are left make room", async () => {
    const { call, deadletter, adminKey } = server();
    expect((await call("GET", "/api/export/links", undefined, { key: null })).status).toBe(401);
    // Nobody reads these: they wait at their first page.
    const begin = async () =>
      await deadletter.api.handle(
        new Request("http://localhost/api/export/events", { headers: { authorization: `Bearer ${adminKey}` } }),
      );
    const begun: Response[] = [];
    for (let count = 0; count < LIMITS.exportsAtOnce; count++) begun.push(await begin());
    const refused = await begin();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "5"]);
    for (const each of begun) await each.body?.cancel();
    const after = await begin();
    expect(after.status).toBe(200);
    await after.body?.cancel();
  });
});

test.each(["=1", "+1", "-1", "@x", "\tx", "'=1", "''@", "x", "", "'x", 'a"b', "a,b", "a\nb"])(
  "a cell %j is escaped so that it comes back",
  (cell) => {
    const line = csvLine([cell]).slice(0, -2);
    const read = line.startsWith('"') ? line.slice(1, -1).replaceAll('""', '"') : line;
    expect(unescapeCell(read)).toBe(cell);
    expect(/^[=+\-@\t\r]/.test(read)).toBe(false);
  },
);
