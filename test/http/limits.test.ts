// Who a request comes from, and how often strangers may ask: bounded, told so, and never at the cost of who has a key.

import { describe, expect, test } from "bun:test";
import { clientAddress, customerOf, networkOf, trustProxies } from "../../src/http/client.ts";
import { RateLimit } from "../../src/http/rate-limit.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createStore, describeEachEngine, startServer, until } from "../support/harness.ts";

describe("the client's address", () => {
  const trusted = trustProxies(["10.0.0.0/8", "127.0.0.1", "fd00::/8"]);
  test.each<[string, string, Record<string, string>, string]>([
    ["nobody's word but a trusted peer's", "192.0.2.1", { "x-forwarded-for": "198.51.100.7" }, "192.0.2.1"],
    ["what a trusted peer says", "10.1.2.3", { "x-forwarded-for": "198.51.100.7" }, "198.51.100.7"],
    [
      "the first untrusted hop from the right",
      "127.0.0.1",
      { "x-forwarded-for": "1.1.1.1, 198.51.100.7, 10.9.9.9" },
      "198.51.100.7",
    ],
    ["the leftmost where all are trusted", "10.0.0.1", { "x-forwarded-for": "10.0.0.3,10.0.0.2" }, "10.0.0.3"],
    [
      "the hop before one that is no address",
      "10.0.0.1",
      { "x-forwarded-for": "1.1.1.1, nonsense, 10.0.0.2" },
      "10.0.0.2",
    ],
    ["a peer in IPv4 written as IPv6", "::ffff:10.0.0.1", { "x-forwarded-for": "198.51.100.7:4711" }, "198.51.100.7"],
    ["IPv6 in brackets with a port", "fd00::1", { forwarded: 'for="[2001:db8::17]:4711";proto=https' }, "2001:db8::17"],
    [
      "RFC 7239, right to left",
      "10.0.0.1",
      { forwarded: 'for=1.1.1.1, For="198.51.100.7" ; by=x , for=10.0.0.9' },
      "198.51.100.7",
    ],
    ["RFC 7239 with a hidden hop", "10.0.0.1", { forwarded: "for=1.1.1.1, for=_hidden" }, "10.0.0.1"],
    [
      "RFC 7239 with a comma in quotes",
      "10.0.0.1",
      { forwarded: 'for=1.1.1.1, for=198.51.100.7;host="a,b;for=9.9.9.9"' },
      "198.51.100.7",
    ],
    ["IPv4 in hexadecimal IPv6", "10.0.0.1", { "x-forwarded-for": "::ffff:c633:6407" }, "198.51.100.7"],
    ["no header", "10.0.0.1", {}, "10.0.0.1"],
    ["an empty one", "10.0.0.1", { "x-forwarded-for": "" }, "10.0.0.1"],
  ])("is %s", (_, peer, headers, expected) => {
    expect(clientAddress(peer, new Headers(headers), trusted)).toBe(expected);
  });

  test("stands for a customer's network, and is made vaguer for logs that are kept", () => {
    expect(customerOf("198.51.100.7")).toBe("198.51.100.7");
    for (const address of ["2001:db8:1:2::1", "2001:0db8:0001:0002:ffff::", "2001:db8:1:2:3:4:192.0.2.1"])
      expect(customerOf(address)).toBe("2001:db8:1:2");
    expect(customerOf("::1")).toBe("0:0:0:0");
    expect(networkOf("198.51.100.7")).toBe("198.51.100.0/24");
    expect(networkOf("2001:db8:1:2::1")).toBe("2001:db8:1::/48");
  });

  test("a header of a thousand hops is looked at from the nearest on, and no further than is named", () => {
    const hops = ["6.6.6.6", ...Array.from({ length: 1_000 }, () => "10.0.0.2")].join(",");
    expect(clientAddress("10.0.0.1", new Headers({ "x-forwarded-for": hops }), trusted)).toBe("10.0.0.2");
  });
});

test("a bucket gives so many at once and as many again a minute, and says when the next one comes", () => {
  let nowMs = 0;
  const limit = new RateLimit("proofs", 6, { ...systemClock, monotonic: () => nowMs });
  for (let time = 0; time < 6; time++) limit.take("a");
  const refused = () => {
    try {
      limit.take("a");
      return undefined;
    } catch (error) {
      return (error as { headers: Record<string, string> }).headers;
    }
  };
  expect(refused()).toEqual({
    "retry-after": "10",
    "ratelimit-policy": '"proofs";q=6;w=60',
    ratelimit: '"proofs";r=0;t=10',
  });
  nowMs += 9_000;
  expect(refused()?.["retry-after"]).toBe("1");
  nowMs += 1_000;
  expect(refused()).toBeUndefined();
  expect(refused()).toBeDefined();
  nowMs += 3_600_000;
  for (let time = 0; time < 6; time++) limit.take("a");
  expect(refused()).toBeDefined();
});

test("names that all differ fill no memory: the table is as large as it was", () => {
  const limit = new RateLimit("bad-keys", 1, systemClock);
  const before = process.memoryUsage().heapUsed;
  for (let name = 0; name < 300_000; name++) {
    try {
      limit.take(`2001:db8:${name.toString(16)}`);
    } catch {
      // Its bucket is somebody else's as well.
    }
  }
  Bun.gc(true);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(20 * 2 ** 20);
});

describeEachEngine(
  "limits",
  (server) => {
    const badKey = () => `dl_${crypto.randomUUID().replaceAll("-", "")}xxxxxxxx`;
    const from = (client: string) => ({ headers: { "x-forwarded-for": client } });

    test("bad keys are told 429 past the limit, by client; a good key from the same address never is", async () => {
      const { call } = server();
      const attacker = from("198.51.100.1");
      const statuses: number[] = [];
      for (let time = 0; time < 8; time++)
        statuses.push((await call("GET", "/whoami", undefined, { key: badKey(), ...attacker })).status);
      expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
      const refused = await call("GET", "/whoami", undefined, { key: badKey(), ...attacker });
      expect(refused.json).toEqual({ error: "too_many_requests", detail: expect.stringContaining("bad-keys") });
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(refused.headers.get("ratelimit-policy")).toBe('"bad-keys";q=5;w=60');
      expect(refused.headers.get("ratelimit")).toMatch(/^"bad-keys";r=0;t=\d+$/);
      expect((await call("GET", "/whoami", undefined, attacker)).status).toBe(200);
      expect((await call("GET", "/whoami", undefined, { key: null, ...attacker })).status).toBe(401);
      expect((await call("GET", "/whoami", undefined, { key: badKey(), ...from("203.0.113.9") })).status).toBe(401);
      expect((await call("GET", "/metrics")).text).toMatch(/^deadletter_rate_limited_total\{limit="bad-keys"\} 4$/m);
    });

    test("public proofs and tiles are limited by client, an IPv6 customer by its /64", async () => {
      const { call } = server();
      await server().sequence();
      const ask = async (client: string, path = "/events/1/proof") =>
        (await call("GET", path, undefined, { key: null, ...from(client) })).status;
      const statuses: number[] = [];
      for (let time = 0; time < 12; time++) statuses.push(await ask(`2001:db8:1:2::${time + 1}`));
      expect(statuses.filter((status) => status === 200)).toHaveLength(10);
      expect(statuses.slice(10)).toEqual([429, 429]);
      expect(await ask("2001:db8:1:2::77", "/log/tile/0/999")).toBe(429);
      expect(await ask("2001:db8:1:3::1")).toBe(200);
      expect((await call("GET", "/log/checkpoint", undefined, { key: null, ...from("2001:db8:1:2::1") })).status).toBe(
        200,
      );
    });

    test("changes are limited by key where that is asked for, reads never", async () => {
      const { call, adminId } = server();
      const other = (await call("POST", `/users/${adminId}/keys`, { name: "k", role: "creator" })).json.key;
      const statuses: number[] = [];
      for (let time = 0; time < 22; time++)
        statuses.push((await call("POST", "/urls", { original_url: "https://a.b/" }, { key: other })).status);
      expect(statuses.filter((status) => status === 201)).toHaveLength(20);
      expect(statuses.slice(20)).toEqual([429, 429]);
      expect((await call("GET", "/urls", undefined, { key: other })).status).toBe(200);
      expect((await call("POST", "/urls", { original_url: "https://a.b/" })).status).toBe(201);
    });

    test("the client is in the log line, and in the event's actor for admins alone, erasable with it", async () => {
      const { call, adminId } = server();
      const client = "203.0.113.77";
      const made = await call("POST", "/urls", { original_url: "https://a.b/" }, from(client));
      const [event] = (await call("GET", `/events?url_id=${made.json.id}`)).json;
      expect(event.actor).toMatchObject({ user_id: adminId, client });
      const requestId = made.headers.get("x-request-id");
      const line = () =>
        server()
          .logLines()
          .find(({ request_id }) => request_id === requestId);
      await until("its line is written", () => line() !== undefined);
      expect(line()).toMatchObject({ client: "203.0.113.0/24", route: "/urls" });
      const user = (await call("POST", "/users", { username: "eva", email: "eva@example.com" })).json;
      const { key } = (await call("POST", `/users/${user.id}/keys`, { name: "k", role: "reader" })).json;
      const seen = await call("GET", `/events?url_id=${made.json.id}`, undefined, { key });
      const disclosed = await call("GET", `/events/${event.id}/disclosures`, undefined, { key });
      expect(seen.text + disclosed.text).not.toContain(client);
      expect(disclosed.json.hidden).toEqual(["actor"]);
      expect((await call("GET", `/events/${event.id}/disclosures`)).json.actor).toContain(client);
      expect(await server().verify()).toEqual([]);
    });
  },
  {
    DEADLETTER_TRUSTED_PROXIES: "127.0.0.0/8",
    DEADLETTER_LIMIT_BAD_KEYS: "5",
    DEADLETTER_LIMIT_PROOFS: "10",
    DEADLETTER_LIMIT_CHANGES: "20",
    DEADLETTER_LOG_CLIENT: "network",
    DEADLETTER_AUDIT_CLIENT: "true",
  },
);

test("by default bad keys and proofs are limited, changes and redirects are not; nobody's header is believed", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  const statuses = new Set<number>();
  for (let time = 0; time < 40; time++) {
    const key = `dl_${"z".repeat(40)}`;
    const headers = { "x-forwarded-for": `198.51.100.${time}` };
    statuses.add((await server.call("GET", "/whoami", undefined, { key, headers })).status);
  }
  expect(statuses).toEqual(new Set([401, 429]));
  expect(Object.keys(server.deadletter.service.limits)).toEqual(["bad-keys", "proofs"]);
  await server.close();
  store.remove();
});

test("redirects are limited by client where that is asked for", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store, { DEADLETTER_LIMIT_REDIRECTS: "5" });
  await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "hot" });
  const statuses: number[] = [];
  for (let time = 0; time < 7; time++) statuses.push((await server.call("GET", "/hot")).status);
  expect(statuses).toEqual([302, 302, 302, 302, 302, 429, 429]);
  await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "path", forward: "path" });
  for (const path of ["/path/x", "/r/path/x", "/nobody/x"]) expect((await server.call("GET", path)).status).toBe(429);
  await server.close();
  store.remove();
});
