// How a link redirects beside its target: each option made, changed, read back in time, refused where it breaks a rule, and obeyed.

import { expect, test } from "bun:test";
import { describeEachEngine } from "../support/harness.ts";
import { rawRequest } from "../support/raw.ts";

const DEFAULTS = { tags: [], starts_at: null, status: 302, max_age: null, forward: "none", query_wins: "target" };
const ALL = {
  tags: ["b", "A", "ä"],
  starts_at: "2026-01-01T00:00:00.000Z",
  status: 307,
  max_age: 60,
  forward: "both",
  query_wins: "visitor",
};

describeEachEngine("a link's options", (server) => {
  const create = async (body: object = {}) =>
    (await server().call("POST", "/urls", { original_url: "https://example.com/page", ...body })).json;
  const follow = (path: string, method = "GET") => server().call(method, path, undefined, { key: null });

  test("are all in its state, its event and its past, and silent where they say nothing", async () => {
    const { call, store } = server();
    const made = await call("POST", "/urls", { original_url: "https://example.com/all", short_code: "all", ...ALL });
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({ ...ALL, tags: ["A", "b", "ä"] });
    const [event] = (await call("GET", "/urls/all/events")).json;
    expect(event.details.link).toMatchObject({ ...ALL, tags: ["A", "b", "ä"] });
    expect(event.details.changes.status).toEqual({ from: 302, to: 307 });

    const plain = await create({ short_code: "plain" });
    expect(plain).toMatchObject(DEFAULTS);
    const states = await store.query<{ state: string }>(
      "select state from events where subject_type = 'url' order by id desc limit 1",
    );
    // An event of a link without options is byte for byte what earlier releases wrote.
    expect(Object.keys(JSON.parse(states[0]?.state ?? "")[2])).toEqual([
      "id",
      "short_code",
      "original_url",
      "title",
      "is_active",
      "expires_at",
      "user_id",
      "created_at",
      "updated_at",
      "version",
    ]);

    const before = new Date().toISOString();
    await Bun.sleep(5);
    const changed = await call("PATCH", "/urls/all", { tags: [], status: 302, max_age: null, forward: "none" });
    expect(changed.json).toMatchObject({ ...DEFAULTS, starts_at: ALL.starts_at, query_wins: "visitor" });
    const [, second] = (await call("GET", "/urls/all/events")).json;
    expect(second.details.changes).toEqual({
      tags: { from: ["A", "b", "ä"], to: [] },
      status: { from: 307, to: 302 },
      max_age: { from: 60, to: null },
      forward: { from: "both", to: "none" },
    });
    expect((await call("GET", `/urls/all?at=${before}`)).json).toMatchObject({ ...ALL, tags: ["A", "b", "ä"] });
    expect(await server().verify()).toEqual([]);
  });

  test("that say what is so already change nothing", async () => {
    const { version } = await create({ short_code: "same", ...ALL });
    const again = await server().call("PATCH", "/urls/same", { ...ALL, tags: ["ä", "b", "A", "a"] });
    expect([again.status, again.json.version]).toEqual([200, version]);
  });

  test.each<[object, string]>([
    [{ tags: "a" }, "tags"],
    [{ tags: [""] }, "empty"],
    [{ tags: ["a,b"] }, "comma"],
    [{ tags: ["a\u0000"] }, "control"],
    [{ tags: ["\ud800"] }, "surrogate"],
    [{ tags: ["x".repeat(41)] }, "40"],
    [{ tags: Array.from({ length: 21 }, (_, at) => `t${at}`) }, "20"],
    [{ starts_at: "tomorrow" }, "starts_at"],
    [{ starts_at: "2027-01-02T00:00:00Z", expires_at: "2027-01-01T00:00:00Z" }, "before expires_at"],
    [{ status: 303 }, "status"],
    [{ status: "301" }, "status"],
    [{ max_age: 0 }, "max_age"],
    [{ max_age: 3601 }, "max_age"],
    [{ max_age: 1.5 }, "max_age"],
    [{ forward: "all" }, "forward"],
    [{ query_wins: "both" }, "query_wins"],
    [{ forward: "template" }, "place"],
    [{ forward: "template", original_url: "https://{1}.example/" }, "host"],
    [{ forward: "template", original_url: "https://a.example/#{1}" }, "fragment"],
    [{ forward: "path", original_url: "https://a.example/x\\y" }, "backslash"],
    [{ status: 303 }, "must be one of 302, 301, 307, 308"],
    [{ max_age: 3601 }, "must be an integer from 1 to 3600 or null"],
  ])("refuse %j, made or changed, and write no event", async (options, rule) => {
    const { call, store } = server();
    const counted = () => store.query<{ n: number }>("select count(*) as n from events");
    const { short_code } = await create();
    const before = await counted();
    for (const answer of [
      await call("POST", "/urls", { original_url: "https://example.com/", ...options }),
      await call("PATCH", `/urls/${short_code}`, options),
    ]) {
      expect([answer.status, answer.json.error]).toEqual([400, "bad_request"]);
      expect(answer.json.detail).toContain(rule);
    }
    expect(await counted()).toEqual(before);
  });

  test("hold together: a target that is no template any more, an end before the beginning", async () => {
    const { call } = server();
    await create({ short_code: "tmpl", original_url: "https://a.example/{1}", forward: "template" });
    expect((await call("PATCH", "/urls/tmpl", { original_url: "https://a.example/" })).status).toBe(400);
    expect((await call("PATCH", "/urls/tmpl", { original_url: "https://a.example/", forward: "none" })).status).toBe(
      200,
    );
    await create({ short_code: "span", starts_at: "2026-01-02T00:00:00Z" });
    expect((await call("PATCH", "/urls/span", { expires_at: "2026-01-01T00:00:00Z" })).status).toBe(400);
  });

  test("tags are in NFC, sorted and unique without case, with the case that came first", async () => {
    const { tags } = await create({ tags: ["zebra", "Cafe\u0301", "CAFÉ", "Zebra", " alpha "] });
    expect(tags).toEqual(["alpha", "Café", "zebra"]);
  });

  test("starts_at: 404 that says so until then, checked at the moment of the request", async () => {
    const { short_code } = await create({ starts_at: "2099-01-01T00:00:00Z" });
    const early = await follow(`/${short_code}`);
    expect([early.status, early.json.detail]).toEqual([404, `link "${short_code}" has not started yet`]);
    expect(early.headers.get("location")).toBeNull();
    server().setClock(() => Date.parse("2099-01-01T00:00:00.001Z"));
    expect((await follow(`/${short_code}`)).status).toBe(302);
    server().setClock(Date.now);
    expect((await follow(`/${short_code}`)).status).toBe(404);
  });

  test.each([301, 302, 307, 308])("status %i is what GET and HEAD answer on every path", async (status) => {
    const { id, short_code, warnings = [] } = await create({ status });
    for (const path of [`/${short_code}`, `/r/${short_code}`, `/urls/${id}/redirect`])
      for (const method of ["GET", "HEAD"]) expect((await follow(path, method)).status).toBe(status);
    expect(warnings).toHaveLength(status === 301 || status === 308 ? 1 : 0);
  });

  test("max_age is private, and never past the link's end", async () => {
    const control = async (code: string) => (await follow(`/${code}`)).headers.get("cache-control");
    const { short_code, warnings } = await create({ max_age: 3600 });
    expect(await control(short_code)).toBe("private, max-age=3600");
    expect(warnings[0]).toContain("3600 s");
    const end = Date.now() + 90_000;
    const short = await create({ max_age: 3600, expires_at: new Date(end).toISOString() });
    server().setClock(() => end - 10_500);
    expect(await control(short.short_code)).toBe("private, max-age=10");
    server().setClock(() => end - 500);
    expect(await control(short.short_code)).toBe("private, no-store");
    server().setClock(Date.now);
  });

  test("forwarding: query, path and template, over the wire, by every way to a link", async () => {
    const at = async (path: string) => (await follow(path)).headers.get("location");
    const { id } = await create({ short_code: "fwd", original_url: "https://a.example/base?own=1", forward: "both" });
    expect(await at("/fwd")).toBe("https://a.example/base?own=1");
    expect(await at("/fwd?q=1&own=2")).toBe("https://a.example/base?own=1&q=1");
    expect(await at("/r/fwd?q=1")).toBe("https://a.example/base?own=1&q=1");
    expect(await at(`/urls/${id}/redirect?q=1`)).toBe("https://a.example/base?own=1&q=1");
    expect(await at("/fwd/x/y?q=1")).toBe("https://a.example/base/x/y?own=1&q=1");
    expect(await at("/r/fwd/x/")).toBe("https://a.example/base/x/?own=1");
    await create({ short_code: "ticket", original_url: "https://tickets.example/{1}", forward: "template" });
    expect(await at("/ticket/123")).toBe("https://tickets.example/123");
    expect(await at("/ticket")).toBe("https://tickets.example/");
    await create({
      short_code: "uni",
      original_url: "https://é.example/ü/{1}",
      forward: "template",
    });
    expect(await at("/uni/a")).toBe("https://xn--9ca.example/%C3%BC/a");
    expect((await follow("/fwd/x", "HEAD")).status).toBe(302);
  });

  test("forwarding: what climbs or hides is 400, byte for byte as it is sent, and never a redirect", async () => {
    await create({ short_code: "climb", original_url: "https://a.example/base", forward: "both" });
    for (const path of ["..%2fx", "%2e%2e%2fx", "x%5c..", "x//y", "%00", "x%0d%0ay", "..;/x", "%252e%252e/x"]) {
      const text = await rawRequest(
        server().listeners.baseUrl,
        `GET /climb/${path} HTTP/1.1\r\nHost: go\r\nConnection: close\r\n\r\n`,
      );
      expect([path, text.slice(9, 12), /\r\nlocation:/i.test(text)]).toEqual([path, "400", false]);
    }
    // The parser of the server resolves these before any route is looked for: they are another path, or none.
    for (const path of ["../x", "%2e%2e/x", "./x"]) {
      const text = await rawRequest(
        server().listeners.baseUrl,
        `GET /climb/${path} HTTP/1.1\r\nHost: go\r\nConnection: close\r\n\r\n`,
      );
      expect([path, /\r\nlocation: https:\/\/a\.example\/(?!base)/i.test(text)]).toEqual([path, false]);
    }
    const long = await follow(`/climb?q=${"x".repeat(8_200)}`);
    expect([long.status, long.json.error]).toEqual([400, "bad_request"]);
  });

  test("forwarding: a path of a link that is dead says which it is, one of a link that takes none that nothing is there", async () => {
    const { call } = server();
    await create({ short_code: "dying", original_url: "https://a.example/", forward: "path" });
    expect((await follow("/dying/")).headers.get("location")).toBe("https://a.example/");
    expect((await follow("/d%79ing/x")).headers.get("location")).toBe("https://a.example/x");
    await call("DELETE", "/urls/dying");
    expect((await follow("/dying/x")).json.detail).toBe('link "dying" is inactive');
    await create({ short_code: "place", original_url: "https://a.example/{1}" });
    expect((await follow("/place/x")).json.detail).toBe("there is nothing at this path");
    expect((await call("GET", "/urls/place")).json.warnings).toBeUndefined();
    expect((await call("PATCH", "/urls/place", { title: "x" })).json.warnings[0]).toContain("forward");
  });

  test("forwarding shadows no route: a path is a link's only where nothing else is", async () => {
    const { call } = server();
    await create({ short_code: "nofwd" });
    for (const path of ["/nofwd/x", "/r/nofwd/x", "/nobody/x", "/urls/1/nothing", "/api/nothing", "/metrics/x"]) {
      const answer = await call("GET", path);
      expect([path, answer.status, answer.json.detail]).toEqual([path, 404, "there is nothing at this path"]);
    }
    expect((await call("GET", "/users/1/restore")).status).toBe(405);
    expect((await call("POST", "/climb/x", {})).status).toBe(404);
    expect((await call("DELETE", "/climb/x")).status).toBe(404);
  });

  test("until the store is finalized are refused where an older release would lose them", async () => {
    const { call, store, deadletter } = server();
    await store.tamper("update store_generation set generation = 2");
    deadletter.core.ahead.learn(2);
    for (const options of [
      { tags: ["a"] },
      { status: 301 },
      { starts_at: "2027-01-01T00:00:00Z" },
      { forward: "query" },
    ]) {
      const answer = await call("POST", "/urls", { original_url: "https://example.com/", ...options });
      expect([answer.status, answer.json.detail]).toEqual([409, expect.stringContaining("migrate --finalize")]);
    }
    expect((await call("POST", "/urls", { original_url: "https://example.com/", status: 302, tags: [] })).status).toBe(
      201,
    );
    await store.tamper("update store_generation set generation = 3");
    deadletter.core.ahead.learn(3);
  });
});
