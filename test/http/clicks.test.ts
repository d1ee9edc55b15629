// What the API answers of a link's clicks: the groupings, the range and what is refused.

import { expect, test } from "bun:test";
import { describeEachEngine, until } from "../support/harness.ts";

const BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
const NOW = Date.parse("2026-03-05T10:20:00Z");

describeEachEngine("the clicks of a link", (server) => {
  const follow = async (atMs: number, headers: Record<string, string> = {}) => {
    server().setClock(() => atMs);
    const url = `${server().listeners.baseUrl}/counted`;
    expect((await fetch(url, { redirect: "manual", headers: { "user-agent": BROWSER, ...headers } })).status).toBe(302);
    await server().deadletter.service.clicks.flush();
  };
  const report = async (query: string) => (await server().call("GET", `/urls/counted/clicks${query}`)).json;
  const counts = ({ rows }: { rows: { key: string; clicks: number }[] }) =>
    rows.map(({ key, clicks }) => [key, clicks]);

  test("are counted by day unless asked otherwise, over 30 days, and by hour, referrer and device", async () => {
    await server().call("POST", "/urls", { original_url: "https://a.b/", short_code: "counted" });
    await follow(NOW - 40 * 86_400_000);
    await follow(NOW - 86_400_000, { referer: "https://news.example/" });
    await follow(NOW - 3_600_000);
    await follow(NOW);
    await follow(NOW, { "user-agent": "curl/8.0" });
    await until("all are recorded", async () => (await server().call("GET", "/urls/counted")).json.clicks === 4);

    const byDay = [
      ["2026-03-04T00:00:00.000Z", 1],
      ["2026-03-05T00:00:00.000Z", 2],
    ];
    expect(await report("")).toMatchObject({
      short_code: "counted",
      by: "day",
      from: "2026-02-03T11:00:00.000Z",
      to: "2026-03-05T11:00:00.000Z",
    });
    expect(counts(await report(""))).toEqual(byDay);
    expect(counts(await report("?by=day"))).toEqual(byDay);
    expect(counts(await report("?by=hour&from=2026-03-05T09:00:00Z&to=2026-03-05T10:00:00Z"))).toEqual([
      ["2026-03-05T09:00:00.000Z", 1],
    ]);
    expect(Object.fromEntries(counts(await report("?by=referrer")))).toEqual({ "": 2, "news.example": 1 });
    const devices = (await report("?by=device")).rows;
    expect(devices).toContainEqual({ key: "desktop", clicks: 3, bots: 0, prefetches: 0, heads: 0 });
    expect(devices).toContainEqual({ key: "other", clicks: 0, bots: 1, prefetches: 0, heads: 0 });
  });

  test("a list gives clicks and owners where they are asked for", async () => {
    const { call } = server();
    const [counted] = (await call("GET", "/urls?q=counted&include=clicks,owner")).json;
    expect(counted).toMatchObject({ short_code: "counted", clicks: 4, owner: "admin" });
    const [plain] = (await call("GET", "/urls?q=counted")).json;
    expect([plain.clicks, plain.owner]).toEqual([undefined, undefined]);
    expect((await call("GET", "/urls?q=nothing-at-all&include=clicks,owner")).json).toEqual([]);
    expect((await call("GET", "/urls?include=secrets")).status).toBe(400);
  });

  test("of no grouping, of an empty or too long range, or of no link are refused", async () => {
    const { call } = server();
    const ask = async (path: string) => (await call("GET", path)).status;
    expect(await ask("/urls/counted/clicks?by=week")).toBe(400);
    expect(await ask("/urls/counted/clicks?from=2026-03-05T11:00:00Z&to=2026-03-05T11:00:00Z")).toBe(400);
    expect(await ask("/urls/counted/clicks?from=2010-03-05T11:00:00Z&to=2026-03-05T11:00:00Z")).toBe(400);
    expect(await ask("/urls/counted/clicks?from=2016-03-06T11:00:00Z&to=2026-03-05T11:00:00Z")).toBe(200);
    expect(await ask("/urls/missing/clicks")).toBe(404);
  });
});
