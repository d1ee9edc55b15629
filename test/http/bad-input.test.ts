// Everything known to have broken the first version, and its kin: a client's mistake is a 4xx in the one error shape.

import { expect, test } from "bun:test";
import { describeEachEngine } from "../support/harness.ts";
import { rawRequest } from "../support/raw.ts";

const url = "https://example.com/";
const long = (size: number) => "a".repeat(size);

describeEachEngine("bad input", (server) => {
  const expectError = async (
    answer: Promise<{ status: number; json: { error: string; detail: string }; headers: Headers; text: string }>,
    status: number | number[],
    code?: string,
  ) => {
    const { json, headers, status: got, text } = await answer;
    expect([text.slice(0, 200), [status].flat().includes(got)]).toEqual([text.slice(0, 200), true]);
    expect(Object.keys(json)).toEqual(["error", "detail"]);
    if (code !== undefined) expect(json.error).toBe(code);
    expect(headers.get("content-type")).toStartWith("application/json");
    expect(headers.get("x-request-id")).not.toBeNull();
  };

  test.each<[string, unknown, string?]>([
    ["a NUL byte in the URL", { original_url: `${url}\u0000` }],
    ["a NUL byte in the title", { original_url: url, title: "a\u0000b" }],
    ["a lone surrogate in the URL", `{"original_url":"${url}\\ud800"}`],
    ["a lone surrogate in the title", `{"original_url":"${url}","title":"\\udfff"}`],
    ["a lone surrogate in the code", `{"original_url":"${url}","short_code":"a\\ud800b"}`],
    ["a lone surrogate in the reason", `{"original_url":"${url}","reason":"\\ud800"}`],
    ["CR and LF in the URL", { original_url: `${url}\r\nSet-Cookie: a=b` }],
    ["an unclosed IPv6 host", { original_url: "https://[::1" }],
    ["port 99999", { original_url: "https://example.com:99999/" }],
    ["javascript:", { original_url: "javascript:alert(1)" }],
    ["a URL of 2,049 bytes", { original_url: url + long(2_049 - url.length) }],
    ["a 300-character title", { original_url: url, title: long(300) }],
    ["a date out of range", { original_url: url, expires_at: "10000-01-01T00:00:00Z" }],
    ["a date that does not exist", { original_url: url, expires_at: "2027-02-30T00:00:00Z" }],
    ["a date before 1970", { original_url: url, expires_at: "1900-01-01T00:00:00Z" }],
    ["a number for a date", { original_url: url, expires_at: 1 }],
    ["true for an integer", { original_url: url, user_id: true }],
    ["a text for an integer", { original_url: url, user_id: "1" }],
    ["an integer past 2^63", `{"original_url":"${url}","user_id":9223372036854775808}`],
    ["a huge number", `{"original_url":"${url}","user_id":1e400}`],
    ["a fraction for an integer", { original_url: url, user_id: 1.5 }],
    ["a negative owner", { original_url: url, user_id: -1 }],
    ["an array for the body", []],
    ["an array for a text", { original_url: [url] }],
    ["an object for a text", { original_url: { url } }],
    ["a text for the body", '"text"'],
    ["a number for the body", "7"],
    ["null for the body", "null"],
    ["an empty body", ""],
    ["no URL at all", {}],
    ["null for the URL", { original_url: null }],
    ["duplicate members", `{"original_url":"${url}","original_url":"${url}"}`],
    ["duplicate members deeper down", `{"original_url":"${url}","title":{"a":1,"a":2}}`],
    ["an unknown member", { original_url: url, is_active: true }],
    ["duplicate members spelt apart", `{"original_url":"${url}","\\u006friginal_url":"${url}"}`],
    ["__proto__", `{"original_url":"${url}","__proto__":{"role":"admin"}}`],
    ["cut JSON", '{"original_url":'],
    ["two JSON values", `{"original_url":"${url}"}{}`],
    ["JSON with a trailing comma", `{"original_url":"${url}",}`],
    ["invalid UTF-8", Uint8Array.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
    ["overlong UTF-8", Uint8Array.from([0x22, 0xc0, 0x80, 0x22])],
    ["a reserved code", { original_url: url, short_code: "urls" }],
    ["a code of digits", { original_url: url, short_code: "123456" }],
    ["an empty code", { original_url: url, short_code: "" }],
    ["a code with a slash", { original_url: url, short_code: "a/b" }],
  ])("POST /urls with %s is 400 and makes no link", async (_, body) => {
    const before = (await server().call("GET", "/stats")).json.links.total;
    await expectError(server().call("POST", "/urls", body), 400, "bad_request");
    expect((await server().call("GET", "/stats")).json.links.total).toBe(before);
  });

  test("100,000-deep JSON is refused, small or large", async () => {
    await expectError(server().call("POST", "/urls", "[".repeat(30_000) + "]".repeat(30_000)), 400, "bad_request");
    await expectError(server().call("POST", "/urls", `{"a":`.repeat(10_000)), 400, "bad_request");
    await expectError(
      server().call("POST", "/urls", "[".repeat(100_000) + "]".repeat(100_000)),
      413,
      "payload_too_large",
    );
  });

  test("a 1 MB URL is 413, announced or chunked", async () => {
    const body = JSON.stringify({ original_url: url + long(1_000_000) });
    await expectError(server().call("POST", "/urls", body), 413, "payload_too_large");
    const chunked = new ReadableStream({
      start(controller) {
        for (let index = 0; index < 100; index++) controller.enqueue(new TextEncoder().encode(long(10_000)));
        controller.close();
      },
    });
    const { listeners, adminKey } = server();
    const answer = await fetch(`${listeners.apiUrl}/urls`, {
      method: "POST",
      body: chunked,
      headers: { authorization: `Bearer ${adminKey}`, "content-type": "application/json" },
    });
    expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([413, "payload_too_large"]);
  });

  test("a body that is not JSON by its type is 415", async () => {
    for (const type of [
      "application/x-www-form-urlencoded",
      "text/plain",
      "multipart/form-data; boundary=x",
      "application/jsonp",
    ]) {
      await expectError(
        server().call("POST", "/urls", `original_url=${url}`, { headers: { "content-type": type } }),
        415,
        "unsupported_media_type",
      );
    }
    const { call } = server();
    expect(
      (
        await call(
          "POST",
          "/urls",
          { original_url: url },
          { headers: { "content-type": "Application/JSON; charset=utf-8" } },
        )
      ).status,
    ).toBe(201);
    expect(
      (await call("POST", "/urls", { original_url: url }, { headers: { "content-type": "application/vnd.api+json" } }))
        .status,
    ).toBe(201);
  });

  test.each([
    "/urls?page=-1",
    "/urls?page=0",
    "/urls?page=1e30",
    "/urls?page=1.5",
    "/urls?page=true",
    "/urls?page=",
    "/urls?page=99999999999999999999",
    "/urls?per_page=0",
    "/urls?per_page=-5",
    "/urls?per_page=501",
    "/urls?per_page=ten",
    "/urls?page=1000000",
    "/urls?cursor=x",
    "/urls?cursor=1",
    "/urls?cursor=1.2.3",
    "/urls?cursor=1.2&page=2",
    "/urls?user_id=x",
    "/urls?user_id=-1",
    "/urls?user_id=9223372036854775808",
    "/urls?is_active=maybe",
    "/urls?q=%00",
    `/urls?q=${long(201)}`,
    "/urls?unknown=1",
    "/events?event_type=exploded",
    "/events?since=yesterday",
    "/events?until=2027-13-01T00:00:00Z",
    "/events?url_id=x",
    "/events?user_id=1e3",
    "/users?page=-1",
    "/users?cursor=1.2",
    "/urls/abc?at=never",
    "/urls?per_page=%zz",
  ])("GET %s is 400", async (path) => {
    await expectError(server().call("GET", path), 400, "bad_request");
  });

  test.each([
    ["GET", "/urls/%00"],
    ["GET", "/urls/%zz"],
    ["GET", "/urls/%ff%fe"],
    ["GET", `/urls/${long(5_000)}`],
    ["GET", "/urls/99999999999999999999"],
    ["GET", "/urls/-1"],
    ["GET", "/events/abc"],
    ["GET", "/events/99999999999999999999"],
    ["GET", "/users/%00"],
    ["GET", "/users/1e3"],
    ["PUT", "/urls/%00"],
    ["DELETE", "/urls/%2e%2e"],
    ["GET", "/nothing/here"],
    ["POST", "/events/bulk"],
    ["GET", "/urls/"],
    ["GET", "/urls//abc"],
    ["POST", "/"],
  ])("%s %s is a JSON 404 or 405", async (method, path) => {
    await expectError(server().call(method, path, method === "GET" ? undefined : {}), [404, 405]);
  });

  test.each<[string, string, unknown]>([
    ["PUT", "/urls/bad-1", { title: "a\u0000" }],
    ["PUT", "/urls/bad-1", { original_url: "data:text/html,x" }],
    ["PUT", "/urls/bad-1", { original_url: null }],
    ["PUT", "/urls/bad-1", { short_code: "other" }],
    ["PUT", "/urls/bad-1", { is_active: true }],
    ["PUT", "/urls/bad-1", { is_active: 0 }],
    ["PATCH", "/urls/bad-1", { reason: long(501), title: "x" }],
    ["PATCH", "/urls/bad-1", []],
    ["DELETE", "/urls/bad-1", { reason: "because" }],
    ["DELETE", "/urls/bad-1", []],
    ["DELETE", "/urls/bad-1", { reason: 1 }],
    ["POST", "/urls/bad-1/restore", { why: "x" }],
    ["POST", "/users", { username: "a b", email: "a@b.c" }],
    ["POST", "/users", { username: "a", email: "nobody" }],
    ["POST", "/users", { username: "a\u0000", email: "a@b.c" }],
    ["POST", "/users", { username: 1, email: "a@b.c" }],
    ["POST", "/users", {}],
    ["POST", "/users/1/keys", { name: "k", role: "root" }],
    ["POST", "/users/1/keys", { name: "", role: "reader" }],
    ["POST", "/users/1/keys", { name: "k" }],
    ["POST", "/users/1/keys", { name: "k", role: "reader", expires_at: "never" }],
  ])("%s %s with %j is 400 and changes nothing", async (method, path, body) => {
    const { call } = server();
    await call("POST", "/urls", { original_url: url, short_code: "bad-1" });
    const before = (await call("GET", "/stats")).json.events;
    await expectError(call(method, path, body), 400, "bad_request");
    expect((await call("GET", "/stats")).json.events).toEqual(before);
  });

  test.each(["a b", "", "[::1", "x:99999", "x/y", "é", "%zz", "x?y", "x#z", "user@h", ":80", "x\\y"])(
    "the Host %p gets no 5xx",
    async (host) => {
      const { listeners } = server();
      const text = await rawRequest(
        listeners.baseUrl,
        `GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      expect(text).toMatch(/^HTTP\/1\.1 (200|400) /);
    },
  );

  test("events are not written in bulk either", async () => {
    await expectError(server().call("POST", "/events/bulk", {}), 405, "method_not_allowed");
  });

  test("HTTP/1.0 without a Host is answered", async () => {
    const { listeners } = server();
    for (const path of ["/livez", "/readyz", "/health"])
      expect(await rawRequest(listeners.baseUrl, `GET ${path} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.[01] 200 /);
    expect(await rawRequest(listeners.baseUrl, "GET /urls HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.[01] 401 /);
  });

  test("a history cursor beyond every version is an empty page", async () => {
    const { call } = server();
    const { id } = (await call("POST", "/urls", { original_url: url })).json;
    expect(await call("GET", `/urls/${id}/events?cursor=3000000000`)).toMatchObject({ status: 200, json: [] });
  });

  test("a body in another encoding is 415", async () => {
    const { call } = server();
    const body = { original_url: url };
    expect((await call("POST", "/urls", body, { headers: { "content-encoding": "gzip" } })).status).toBe(415);
    expect(
      (await call("POST", "/urls", body, { headers: { "content-type": "application/json; charset=iso-8859-1" } }))
        .status,
    ).toBe(415);
  });

  test("a string that never ends is 400", async () => {
    await expectError(server().call("POST", "/urls", `{"a":${'\\"'.repeat(30_000)}`), 400, "bad_request");
  });

  test("a detail names the field and the rule, and an error never carries a stack or SQL", async () => {
    const { call } = server();
    const details = await Promise.all(
      [
        {},
        { original_url: 1 },
        { original_url: url, title: 5 },
        { original_url: url, nonsense: 1 },
        { original_url: "ftp://x/" },
      ].map(async (body) => (await call("POST", "/urls", body)).json.detail),
    );
    expect(details).toEqual([
      "original_url: is required",
      "original_url: expected string",
      "title: expected string",
      "nonsense: is not a member this request knows",
      'original_url: cannot shorten "ftp://x/": the scheme must be http or https',
    ]);
  });

  test("after all of this the server answers and the audit log is true", async () => {
    expect((await server().call("GET", "/health")).status).toBe(200);
    expect(await server().verify()).toEqual([]);
  });
});
