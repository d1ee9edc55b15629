// What strangers write into headers: it is cut before it is kept, told apart only so far, and never hides who comes after.

import { expect, test } from "bun:test";
import { ReferrerCap } from "../../src/clicks/referrer-cap.ts";
import { TextCache } from "../../src/clicks/text-cache.ts";
import { VisitorTable } from "../../src/clicks/visitor.ts";
import { LIMITS } from "../../src/limits.ts";
import type { ClickHour } from "../../src/store/queries/clicks.ts";
import { createStore, describeEachEngine, startServer, until } from "../support/harness.ts";

const BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
const request = (headers: Record<string, string>) => new Request("http://127.0.0.1/abc", { headers });

test("a visitor is the same whatever else its headers hold, and texts that meet in a slot are told apart", () => {
  const table = new VisitorTable();
  const see = (headers: Record<string, string>) => table.visitor(table.numberOf(request(headers)));
  for (let round = 0; round < 2; round++)
    for (let number = 0; number < 3 * LIMITS.visitorTexts; number++) {
      const referer = `https://host-${number % 100}.example/${number}?${"q".repeat(200)}`;
      expect(see({ referer, "user-agent": `${BROWSER} ${number}` })).toEqual({
        kind: "click",
        device: "desktop",
        referrer: `host-${number % 100}.example`,
      });
    }
  expect(see({ "user-agent": "curl/8.0" })).toEqual({ kind: "bot", device: "other", referrer: "" });
  expect(see({})).toEqual({ kind: "click", device: "other", referrer: "" });
  expect(see({ "sec-purpose": "prefetch;prerender" }).kind).toBe("prefetch");
  expect(see({ referer: "android-app://com.example/" }).referrer).toBe("com.example");
  expect(see({ referer: "nonsense" }).referrer).toBe("");
});

test("texts that all fall into one slot cost one reading each and no more memory", () => {
  let read = 0;
  const cache = new TextCache(16, 64, (text) => {
    read += 1;
    return text.length;
  });
  const slotOf = (text: string) => Bun.hash.xxHash32(text) & 15;
  const colliding = Array.from({ length: 20_000 }, (_, number) => `t${number}`).filter((text) => slotOf(text) === 3);
  expect(colliding.length).toBeGreaterThan(1_000);
  for (const text of colliding) expect(cache.get(text)).toBe(text.length);
  expect(read).toBe(colliding.length);
  expect(cache.get("x".repeat(10_000))).toBe(64);
});

describeEachEngine("a flood of referrers", (server) => {
  const follow = (headers: Record<string, string>) =>
    fetch(`${server().listeners.baseUrl}/flooded`, {
      redirect: "manual",
      headers: { "user-agent": BROWSER, ...headers },
    });

  test("fills no table for good, makes a bounded number of rows, and every click is in the account", async () => {
    await server().call("POST", "/urls", { original_url: "https://a.b/", short_code: "flooded" });
    const FLOOD = LIMITS.visitors + 1_000;
    for (let number = 0; number < FLOOD; number += 50)
      await Promise.all(Array.from({ length: 50 }, (_, at) => follow({ referer: `https://h${number + at}.example/` })));
    const { clicks } = server().deadletter.service;
    const count = async () => (await server().call("GET", "/urls/flooded")).json.clicks;
    await until("all are recorded", async () => {
      await clicks.flush();
      return (await count()) >= FLOOD;
    });
    expect(await count()).toBe(Math.ceil(FLOOD / 50) * 50);
    const report = (await server().call("GET", "/urls/flooded/clicks?by=referrer")).json;
    const groups = report.rows ?? report.groups ?? report;
    const rows = await server().store.query<{ rows: number | string; other: number | string }>(
      `select count(distinct referrer) as rows, sum(case when referrer = 'other' then clicks else 0 end) as other from click_hours`,
    );
    expect(groups).toBeDefined();
    // The hour may have changed while it was flooded.
    expect(Number(rows[0]?.rows)).toBeLessThanOrEqual(2 * 101);
    expect(Number(rows[0]?.other)).toBeGreaterThan(FLOOD - 300);
    const { accepted, found, recorded, spooled, ...dropped } = server().deadletter.service.clicks.counts;
    expect(accepted + found).toBe(
      recorded + spooled + clicks.waiting + Object.values(dropped).reduce((sum, lost) => sum + lost, 0),
    );

    // A link of its own, and a new referrer after the flood: it has its name.
    await server().call("POST", "/urls", { original_url: "https://a.b/", short_code: "calm" });
    await fetch(`${server().listeners.baseUrl}/calm`, {
      redirect: "manual",
      headers: { "user-agent": BROWSER, referer: "https://newcomer.example/" },
    });
    await until("it is recorded", async () => {
      await clicks.flush();
      return (await server().call("GET", "/urls/calm")).json.clicks === 1;
    });
    const named = await server().store.query("select referrer from click_hours where referrer = 'newcomer.example'");
    expect(named).toHaveLength(1);
  }, 60_000);
});

test("the cap tells apart so many hosts a link and hour, adds up the rest, and is the same when a chunk is tried again", () => {
  const cap = new ReferrerCap(2);
  const row = (referrer: string, url_id = 1, hour = 5): ClickHour => ({
    url_id,
    hour,
    kind: "click",
    device: "desktop",
    referrer,
    clicks: 1,
  });
  const rows = [row("a"), row("b"), row("c"), row("d"), row(""), row("other"), row("c", 2), row("a")];
  const capped = cap.apply(rows);
  expect(capped).toEqual([{ ...row("a"), clicks: 2 }, row("b"), { ...row("other"), clicks: 3 }, row(""), row("c", 2)]);
  expect(cap.apply(rows)).toEqual(capped);
  // The next hour begins anew.
  expect(cap.apply([row("z", 1, 6)])).toEqual([row("z", 1, 6)]);
});

test("the memory that long agents and referrers take is given back", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "hot" });
  await server.deadletter.redirects.resolver.resolve("hot");
  const { clicks } = server.deadletter.service;
  const flood = (chars: number, times: number) => {
    for (let number = 0; number < times; number++) {
      const long = `${number}${"x".repeat(chars)}`;
      clicks.add(
        1,
        request(number % 2 === 0 ? { "user-agent": long } : { referer: `https://${long}.example/${long}` }),
      );
    }
    Bun.gc(true);
    return process.memoryUsage.rss() / 2 ** 20;
  };
  const before = flood(10, 20_000);
  const after = flood(7_000, 20_000);
  // What is kept of one is at most some hundred characters: 20,000 of 7,000 characters would be 140 to 280 MB.
  expect(after - before).toBeLessThan(60);
  await server.close();
  store.remove();
}, 60_000);
