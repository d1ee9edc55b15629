// Pages for people: the front page, where a link leads, a link that leads nowhere; and JSON for everybody who did not ask for one.

import { afterAll, describe, expect, test } from "bun:test";
import { createStore, describeEachEngine, startServer, type TestServer, until } from "../support/harness.ts";

const BROWSER = {
  accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "sec-fetch-mode": "navigate",
};
const EVIL = `https://example.com/<script>alert(1)</script>?"'&a=b`;

/** Nothing of it is run, loaded, or of somebody else's. */
function expectSafe({ text, headers }: { readonly text: string; readonly headers: Headers }) {
  expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(headers.get("content-security-policy")).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
  );
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("x-request-id")).toBeTruthy();
  expect(text).not.toMatch(/<script|<img|<link|<iframe|\son\w+=|javascript:/i);
  expect(text).toStartWith("<!doctype html>");
}

describeEachEngine("pages as they are set by default", (server) => {
  const open = (path: string, headers: Record<string, string> = {}) =>
    server().call("GET", path, undefined, { key: null, headers });

  test("/ says what this is, and /favicon.ico is an icon", async () => {
    const home = await open("/");
    expect(home.status).toBe(200);
    expectSafe(home);
    const icon = await open("/favicon.ico");
    expect([icon.status, icon.headers.get("content-type")]).toEqual([200, "image/svg+xml"]);
  });

  test("/{code}+ shows where an active link leads, without its title, and is no click", async () => {
    const { call } = server();
    await call("POST", "/urls", { original_url: EVIL, title: "secret title", short_code: "look" });
    for (const path of ["/look+", "/r/look+", "/look%2B"]) {
      const page = await open(path);
      expect(page.status).toBe(200);
      expectSafe(page);
      expect(page.text).toContain("https://example.com/&lt;script&gt;alert(1)&lt;/script&gt;?&quot;&#x27;&amp;a=b");
      expect(page.text).not.toContain("secret title");
      expect(page.headers.get("cache-control")).toBe("no-store");
    }
    expect(server().deadletter.service.clicks.counts.accepted).toBe(0);
  });

  test("of a link that does not redirect, /{code}+ is a 404 in JSON that says no more than that", async () => {
    const { call } = server();
    await call("POST", "/urls", { original_url: EVIL, short_code: "dead" });
    await call("DELETE", "/urls/dead");
    await call("POST", "/urls", { original_url: EVIL, short_code: "early", starts_at: "2099-01-01T00:00:00Z" });
    await call("POST", "/urls", { original_url: EVIL, short_code: "late", expires_at: "2020-01-01T00:00:00Z" });
    for (const path of ["/dead+", "/early+", "/late+", "/nobody+", "/+", "/look++"]) {
      const answer = await open(path, BROWSER);
      expect([path, answer.status, answer.json?.error]).toEqual([path, 404, "not_found"]);
    }
  });

  test("a browser gets JSON for a dead link like everybody else", async () => {
    const answer = await open("/nobody", BROWSER);
    expect([answer.status, answer.json.error, answer.headers.get("vary")]).toEqual([404, "not_found", null]);
  });
});

describeEachEngine(
  "with pages on",
  (server) => {
    const open = (path: string, headers: Record<string, string> = BROWSER) =>
      server().call("GET", path, undefined, { key: null, headers });

    test("a browser's page load of a dead, expired or unknown link is a page with the same status and facts", async () => {
      const { call } = server();
      await call("POST", "/urls", { original_url: EVIL, short_code: "dead" });
      await call("DELETE", "/urls/dead");
      await call("POST", "/urls", { original_url: EVIL, short_code: "late", expires_at: "2020-01-01T00:00:00Z" });
      for (const [path, why] of [
        ["/dead", "is inactive"],
        ["/late", "has expired"],
        ["/r/nobody", "no link"],
        ["/%3Cb%3Enobody", "&lt;b&gt;nobody"],
        ["/urls/dead/redirect", "is inactive"],
      ] as const) {
        const page = await fetch(server().listeners.baseUrl + path, { headers: BROWSER, redirect: "manual" });
        const text = await page.text();
        expect([path, page.status]).toEqual([path, 404]);
        expectSafe({ text, headers: page.headers });
        expect(text).toContain(why);
        expect(text).toContain("not_found");
        expect(text).toContain("&lt;Go &amp; co&gt;");
        expect(text).toContain("#00ff7f");
        expect([page.headers.get("vary"), page.headers.get("cache-control")]).toEqual([
          "Accept, Sec-Fetch-Mode",
          "private, no-store",
        ]);
      }
    });

    test.each<[Record<string, string>]>([
      [{}],
      [{ accept: "*/*" }],
      [{ accept: "text/html" }],
      [{ accept: "application/json", "sec-fetch-mode": "navigate" }],
      [{ accept: "text/html;q=0", "sec-fetch-mode": "navigate" }],
      [{ accept: "text/html", "sec-fetch-mode": "cors" }],
    ])("who asks with %j gets JSON, which says that it varies", async (headers) => {
      const answer = await open("/nobody", headers);
      expect([answer.status, answer.json.error]).toEqual([404, "not_found"]);
      expect(answer.headers.get("vary")).toBe("Accept, Sec-Fetch-Mode");
    });

    test("what is no link stays JSON, and a living link redirects", async () => {
      const { call } = server();
      await call("POST", "/urls", { original_url: "https://example.com/", short_code: "alive" });
      expect((await open("/alive")).status).toBe(302);
      for (const path of ["/nothing/here", "/urls/nobody", "/users/1"])
        expect((await open(path)).json.error).toBeTruthy();
    });

    test("/ sends people where it was told to, and /{code}+ is a 404 where that is off", async () => {
      const home = await open("/");
      expect([home.status, home.headers.get("location")]).toEqual([302, "https://example.com/about"]);
      expect((await open("/alive+", {})).status).toBe(404);
    });
  },
  {
    DEADLETTER_PAGES: "on",
    DEADLETTER_PREVIEW: "off",
    DEADLETTER_HOME_URL: "https://example.com/about",
    DEADLETTER_PAGE_NAME: "<Go & co>",
    DEADLETTER_PAGE_COLOR: "#00FF7F",
  },
);

describe("short_url", () => {
  const servers: TestServer[] = [];
  afterAll(async () => {
    for (const server of servers) await server.close();
  });

  test("is what was set, then what another process was set to, then the listener; never the request's Host", async () => {
    const store = await createStore("sqlite");
    const start = async (environment: Record<string, string> = {}) => {
      const server = await startServer(store, environment);
      servers.push(server);
      return server;
    };
    const first = await start();
    const made = await first.call(
      "POST",
      "/urls",
      { original_url: "https://example.com/", short_code: "abc" },
      {
        headers: { host: "evil.example", "x-forwarded-host": "evil.example" },
      },
    );
    expect(made.json.short_url).toBe(`${first.listeners.baseUrl}/abc`);
    await first.close();
    servers.length = 0;
    const key = { key: first.adminKey };
    const set = await start({ DEADLETTER_BASE_URL: "https://go.example/s/" });
    expect((await set.call("GET", "/urls/abc", undefined, key)).json.short_url).toBe("https://go.example/s/abc");
    expect((await set.call("GET", "/urls", undefined, key)).json[0].short_url).toBe("https://go.example/s/abc");
    await set.deadletter.address.close();
    await set.close();
    servers.length = 0;
    const unset = await start();
    await unset.deadletter.address.close();
    const loop = await unset.call("POST", "/urls", { original_url: "https://go.example/s/abc" }, key);
    expect([loop.status, loop.json.detail]).toEqual([400, expect.stringContaining("own redirect host")]);
    expect((await unset.call("GET", "/urls/abc", undefined, key)).json.short_url).toBe("https://go.example/s/abc");
    await unset.close();
    servers.length = 0;
    // Set to something else by somebody else: what is set here holds, and it is said.
    const other = await start({ DEADLETTER_BASE_URL: "https://short.example" });
    await other.deadletter.address.close();
    expect((await other.call("GET", "/urls/abc", undefined, key)).json.short_url).toBe("https://short.example/abc");
    await until("it is said", () => other.logLines().some(({ msg }) => /another base URL/.test(String(msg))));
  });
});
