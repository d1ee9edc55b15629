import { expect, test } from "bun:test";
import { describeEachEngine, until } from "../support/harness.ts";
import { rawRequest } from "../support/raw.ts";

describeEachEngine("redirects", (server) => {
  const create = async (body: object = {}) =>
    (await server().call("POST", "/urls", { original_url: "https://example.com/page", ...body })).json;
  const browser = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0" };
  const open = (path: string, method = "GET", headers: Record<string, string> = browser) =>
    server().call(method, path, undefined, { key: null, headers });

  test("302 with the stored URL, never cached, no body, on all three paths, without a key", async () => {
    const { id, short_code } = await create({ original_url: "HTTPS://example.com/Path?a=b#c" });
    for (const path of [`/${short_code}`, `/r/${short_code}`, `/urls/${short_code}/redirect`, `/urls/${id}/redirect`]) {
      const answer = await open(path);
      expect([path, answer.status, answer.text]).toEqual([path, 302, ""]);
      expect(answer.headers.get("location")).toBe("HTTPS://example.com/Path?a=b#c");
      expect(answer.headers.get("cache-control")).toBe("private, no-store");
      expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  test.each([
    ["https://example.com/a%20b?c=d#e", "https://example.com/a%20b?c=d#e"],
    ["https://EXAMPLE.com", "https://EXAMPLE.com"],
    ["https://é.com/ü x", "https://xn--9ca.com/%C3%BC%20x"],
    ["https://example.com/€😀", "https://example.com/%E2%82%AC%F0%9F%98%80"],
  ])(
    "the Location of %s is %s: itself where it is visible ASCII, else its serialisation; the link keeps its text",
    async (given, expected) => {
      const { short_code } = await create({ original_url: given });
      const answer = await rawRequest(
        server().listeners.baseUrl,
        `GET /${short_code} HTTP/1.1\r\nHost: go\r\nConnection: close\r\n\r\n`,
      );
      expect(answer).toContain(`\r\nLocation: ${expected}\r\n`);
      expect((await server().call("GET", `/urls/${short_code}`)).json.original_url).toBe(given);
    },
  );

  test("HEAD answers the same and is not a click; GETs are counted", async () => {
    const { short_code } = await create();
    expect(await open(`/${short_code}`, "HEAD")).toMatchObject({ status: 302, text: "" });
    for (let index = 0; index < 3; index++) await open(`/r/${short_code}`);
    const clicks = async () => (await server().call("GET", `/urls/${short_code}`)).json.clicks;
    await until("three clicks are recorded", async () => (await clicks()) === 3);
    const { accepted, recorded, spooled } = server().deadletter.service.clicks.counts;
    expect(accepted).toBe(recorded + spooled + server().deadletter.service.clicks.waiting);
  });

  test("missing, inactive and expired answer a JSON 404 that says which, and never a Location", async () => {
    const deleted = await create();
    await server().call("DELETE", `/urls/${deleted.id}`);
    const expired = await create({ expires_at: "2020-01-01T00:00:00Z" });
    const cases: [string, string][] = [
      ["/nobody", "no link"],
      ["/123456", "no link"],
      [`/r/${deleted.id}`, "no link"],
      ["/%zz", "no link"],
      ["/%00", "no link"],
      ["/r/a%2Fb", "no link"],
      [`/${deleted.short_code}`, "is inactive"],
      [`/r/${deleted.short_code}`, "is inactive"],
      [`/urls/${deleted.id}/redirect`, "is inactive"],
      [`/${expired.short_code}`, "has expired"],
    ];
    for (const [path, detail] of cases) {
      const answer = await open(path);
      expect([path, answer.status, answer.json?.error]).toEqual([path, 404, "not_found"]);
      expect(answer.json.detail).toContain(detail);
      expect(Object.keys(answer.json)).toEqual(["error", "detail"]);
      expect(answer.headers.get("location")).toBeNull();
      expect(answer.headers.get("cache-control")).toBe("private, no-store");
      expect(answer.headers.get("x-request-id")).not.toBeNull();
    }
  });

  test("expiry is checked at the moment of the request", async () => {
    const { setClock } = server();
    const { short_code } = await create({ expires_at: "2040-01-01T00:00:00Z" });
    setClock(() => Date.UTC(2040, 0, 1) - 1);
    expect((await open(`/${short_code}`)).status).toBe(302);
    setClock(() => Date.UTC(2040, 0, 1));
    expect((await open(`/${short_code}`)).status).toBe(404);
    setClock(Date.now);
  });

  test("a change is followed at once, and a restored link redirects again", async () => {
    const { call } = server();
    const { id, short_code } = await create();
    await call("PUT", `/urls/${id}`, { original_url: "https://example.com/moved" });
    expect((await open(`/${short_code}`)).headers.get("location")).toBe("https://example.com/moved");
    await call("DELETE", `/urls/${id}`);
    expect((await open(`/${short_code}`)).status).toBe(404);
    await call("POST", `/urls/${id}/restore`);
    expect((await open(`/${short_code}`)).status).toBe(302);
  });

  test("another method is 405 with Allow, also on paths that Bun routes itself", async () => {
    const { short_code } = await create();
    for (const path of [`/${short_code}`, `/r/${short_code}`, `/urls/${short_code}/redirect`, "/health"]) {
      const answer = await open(path, "DELETE");
      expect([path, answer.status, answer.json?.error, answer.headers.get("allow")]).toEqual([
        path,
        405,
        "method_not_allowed",
        "GET, HEAD",
      ]);
    }
  });

  test("a link whose code is taken for a fixed path cannot be made", async () => {
    for (const code of ["urls", "health", "metrics", "stats", "whoami", "livez", "readyz", "events", "users"]) {
      expect((await server().call("POST", "/urls", { original_url: "https://a.b/", short_code: code })).status).toBe(
        400,
      );
    }
  });
});
