// 20,000 mangled requests: never a 5xx, never an answer that is not as /openapi.json describes it, and the server still answers.

import { expect, test } from "bun:test";
import { contractOf } from "./support/api-contract.ts";
import { describeEachEngine } from "./support/harness.ts";
import { type Random, seeded } from "./support/simulated-clock.ts";

const REQUESTS = Number(process.env.FUZZ_REQUESTS ?? 20_000);
const CONCURRENCY = 32;

describeEachEngine("a request fuzzer", (server) => {
  test(`sends ${REQUESTS} mangled requests`, async () => {
    const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
    const { listeners, call } = server();
    // A key that the fuzzer cannot name, so that it does not revoke its own: users and keys 1 to 3 are there to be hit.
    for (const name of ["one", "two", "three"]) {
      const { id } = (await call("POST", "/users", { username: name, email: `${name}@example.com` })).json;
      await call("POST", `/users/${id}/keys`, { name, role: "reader" });
    }
    const { key: fuzzKey } = (await call("POST", "/users/4/keys", { name: "fuzzer", role: "admin" })).json;
    await call("POST", "/urls", { original_url: "https://example.com/", short_code: "target" });
    const contract = await contractOf(server().deadletter);
    const random = seeded(seed);
    const statuses = new Map<number, number>();
    let sent = 0;
    const worker = async () => {
      while (sent < REQUESTS) {
        const number = sent++;
        const { path, init } = mangled(random, fuzzKey);
        const answer = await fetch(listeners.baseUrl + path, { ...init, redirect: "manual" });
        const text = await answer.text();
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        const { status, headers } = answer;
        const problem =
          problemOf(init.method, path, answer, text) ??
          // Bun's fetch sends "//urls" as "/urls".
          contract.problemOf({ method: init.method, path: path.replace(/^\/+/, "/"), status, headers, text });
        if (problem)
          throw new Error(
            `${problem} (FUZZ_SEED=${seed}, request ${number}): ${init.method} ${path} ${String(init.body).slice(0, 300)} -> ${answer.status} ${text.slice(0, 300)}`,
          );
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    console.log(`seed ${seed}: ${JSON.stringify([...statuses].sort())}`);
    // A fuzzer that only ever meets one answer tests nothing.
    for (const status of [200, 201, 302, 400, 401, 404, 405, 409, 413, 415])
      expect([status, (statuses.get(status) ?? 0) > 0]).toEqual([status, true]);
    expect((await call("GET", "/readyz", undefined, { key: null })).status).toBe(200);
    expect((await call("POST", "/urls", { original_url: "https://example.com/" }, { key: fuzzKey })).status).toBe(201);
    expect(await server().verify()).toEqual([]);
  }, 300_000);
});

function problemOf(method: string, path: string, answer: Response, text: string): string | undefined {
  if (answer.status >= 500) return "a 5xx";
  if (answer.headers.get("x-request-id") === null) return "no X-Request-Id";
  if (method === "HEAD" || [301, 302, 307, 308].includes(answer.status))
    return text === "" ? undefined : "a body where there must be none";
  if (answer.ok && /^\/(metrics|robots\.txt|docs|favicon\.ico)/.test(path)) return undefined;
  // The front page, whatever resolves to its path, and where a link leads.
  const { pathname } = new URL(`http://localhost${path}`);
  if (answer.ok && (/^\/+$/.test(pathname) || pathname.endsWith("+") || /\/qr\.(?:svg|png)$/.test(pathname)))
    return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return "a body that is not JSON";
  }
  if (answer.status < 400) return undefined;
  return Object.keys(json as object).join() === "error,detail" ? undefined : "an error of another shape";
}

/** Every route there is; the stars stand for what a client would name. */
const ROUTES = [
  ["GET", "/*"],
  ["GET", "/r/*"],
  ["GET", "/urls/*/redirect"],
  ["POST", "/urls"],
  ["POST", "/urls"],
  ["GET", "/urls"],
  ["GET", "/urls/*"],
  ["PUT", "/urls/*"],
  ["PATCH", "/urls/*"],
  ["DELETE", "/urls/*"],
  ["POST", "/urls/*/restore"],
  ["GET", "/urls/*/events"],
  ["GET", "/urls/*/clicks"],
  ["POST", "/urls/*/revert"],
  ["GET", "/urls/*/diff"],
  ["GET", "/urls/*/explain"],
  ["GET", "/urls/*/qr.svg"],
  ["GET", "/urls/*/qr.png"],
  ["GET", "/api/tags"],
  ["POST", "/api/tags/rename"],
  ["POST", "/api/incidents"],
  ["GET", "/api/incidents"],
  ["GET", "/api/incidents/*"],
  ["GET", "/api/incidents/*/report"],
  ["POST", "/api/incidents/*/act"],
  ["POST", "/api/incidents/*/undo"],
  ["POST", "/api/incidents/*/close"],
  ["GET", "/"],
  ["GET", "/*+"],
  ["GET", "/*/*"],
  ["GET", "/r/*/*"],
  ["GET", "/favicon.ico"],
  ["POST", "/users"],
  ["GET", "/users"],
  ["GET", "/users/*"],
  ["PUT", "/users/*"],
  ["DELETE", "/users/*"],
  ["POST", "/users/*/restore"],
  ["POST", "/users/*/keys"],
  ["GET", "/users/*/keys"],
  ["DELETE", "/users/*/keys/*"],
  ["GET", "/events"],
  ["GET", "/events/*"],
  ["GET", "/whoami"],
  ["GET", "/stats"],
  ["GET", "/metrics"],
  ["GET", "/openapi.json"],
  ["GET", "/docs"],
  ["GET", "/log/rollbacks/*"],
  ["GET", "/health"],
  ["GET", "/robots.txt"],
] as const;

interface Mangled {
  readonly path: string;
  readonly init: { method: string; headers: Record<string, string>; body?: string | Uint8Array };
}

function mangled(random: Random, key: string): Mangled {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  if (random() < 0.1) return nearlyRight(pick, key);
  const segment = () =>
    pick([
      "target",
      "1",
      "2",
      "0",
      "-1",
      "abc",
      "%00",
      "%zz",
      "%ff",
      "..",
      "%2e%2e",
      "%2F",
      "a".repeat(3_000),
      "ünï",
      "%F0%9F%98%80",
      "999999999999999999999",
      "urls",
      "r",
      "redirect",
      "restore",
      "events",
      "keys",
      "",
      "'",
      '"',
      "<x>",
      "a+b",
      "null",
      "__proto__",
    ]);
  let [method, path] = pick(ROUTES) as [string, string];
  if (random() < 0.4) method = pick(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]);
  path = path.replaceAll("*", segment);
  if (random() < 0.2) path += `/${segment()}`;
  const value = () =>
    pick([
      "1",
      "-1",
      "0",
      "1e30",
      "true",
      "",
      "%00",
      "%zz",
      "a".repeat(300),
      "2027-01-01T00:00:00Z",
      "yesterday",
      "9223372036854775808",
      "1.2",
      "NaN",
      "target",
      "created",
      "%F0%9F%98%80",
      "' or 1=1 --",
    ]);
  if (random() < 0.4)
    path += `?${Array.from({ length: 1 + Math.floor(random() * 3) }, () => `${pick(["page", "per_page", "cursor", "q", "user_id", "is_active", "at", "event_type", "since", "until", "short_code", "url_id", "tag", "user", "key_id", "size", "margin", "level", "from", "to", "after", "x", "%zz", ""])}=${value()}`).join("&")}`;
  const headers: Record<string, string> = {};
  if (random() < 0.9)
    headers.authorization = pick([
      `Bearer ${key}`,
      `Bearer ${key}`,
      `Bearer ${key}`,
      `Bearer ${key}`,
      `Bearer ${key}x`,
      "Basic eDp5",
      "Bearer",
      "x".repeat(2_000),
    ]);
  if (random() < 0.2) headers["if-match"] = pick(['"1"', "*", 'W/"1"', "nonsense", '"999999999999999"', '"', ","]);
  if (random() < 0.2) headers["x-request-id"] = pick(["ok", "a".repeat(200), "with space", "é"]);
  if (method === "GET" || method === "HEAD") return { path: path || "/", init: { method, headers } };
  headers["content-type"] = pick([
    "application/json",
    "application/json",
    "application/json",
    "application/json; charset=latin1",
    "text/plain",
    "application/x-www-form-urlencoded",
    "",
  ]);
  return { path: path || "/", init: { method, headers, body: mangledBody(random, pick) } };
}

/** Requests that are almost as they should be reach further in than nonsense does. */
function nearlyRight(pick: <Item>(items: readonly Item[]) => Item, key: string): Mangled {
  const body = JSON.stringify({
    original_url: pick([
      "https://example.com/",
      "https://example.com/{1}",
      "https://example.com/\u0000",
      "http://[::1",
    ]),
    short_code: pick(["target", "fresh", "urls", "ab", undefined]),
    tags: pick([undefined, ["a", "B"], ["a,b"], [""], "a"]),
    forward: pick([undefined, "none", "query", "both", "template", "x"]),
    status: pick([undefined, 301, 302, 308, 200]),
    max_age: pick([undefined, null, 1, 3_601]),
    starts_at: pick([undefined, null, "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]),
    find_existing: pick([undefined, true, false, 1]),
  });
  const [method, path] = pick([
    ["POST", "/urls"],
    ["PUT", "/urls/target"],
    ["DELETE", "/urls/target"],
    ["POST", "/urls/target/restore"],
    ["POST", "/urls/target/revert"],
    ["POST", "/api/tags/rename"],
    ["POST", "/api/incidents"],
    ["POST", "/api/incidents/1/act"],
    ["POST", "/api/incidents/1/undo"],
  ] as const);
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  return { path, init: { method, headers, body: path === "/urls" ? body : pick([...EDITS, body]) } };
}

const EDITS = [
  "{}",
  "null",
  "",
  '{"to_version":1}',
  '{"from":"a","to":"c","merge":true}',
  '{"hand_over_to":1}',
  '{"user_id":1}',
  '{"match":{"host":"bad.example"},"reason":"x","hold":true}',
  '{"match":{"codes":["fresh"],"glob":"*a*"},"reason":"x"}',
  '{"match":{"host_suffix":"%_!"},"reason":"x","dry_run":true}',
];

function mangledBody(random: Random, pick: <Item>(items: readonly Item[]) => Item): string | Uint8Array {
  const scalar = () =>
    pick<unknown>([
      "https://example.com/",
      "javascript:x",
      "http://[::1",
      "a\u0000b",
      "a\ud800",
      "é".repeat(200),
      "a".repeat(3_000),
      "",
      0,
      -1,
      1.5,
      1e308,
      2 ** 53,
      true,
      false,
      null,
      [],
      {},
      ["x"],
      { a: { b: [] } },
      "2027-01-01T00:00:00Z",
      "taken",
      "target",
      "123456",
      "editor",
      "user_requested",
      "x@y.z",
    ]);
  const members = [
    "original_url",
    "original_url",
    "title",
    "short_code",
    "expires_at",
    "user_id",
    "is_active",
    "reason",
    "username",
    "email",
    "name",
    "role",
    "__proto__",
    "constructor",
    "é",
    "",
  ];
  const object: Record<string, unknown> = {};
  if (random() < 0.5) object.original_url = "https://example.com/";
  for (let count = Math.floor(random() * 4); count > 0; count--)
    Object.defineProperty(object, pick(members), {
      value: scalar(),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  const text = random() < 0.85 ? JSON.stringify(object) : JSON.stringify(scalar());
  const way = random();
  if (way < 0.7) return text;
  const cut = Math.floor(random() * text.length);
  if (way < 0.78) return text.slice(0, cut);
  if (way < 0.86)
    return text.slice(0, cut) + pick(["\u0000", "{", "}", '"', "\\", ",", "\\ud800", "\\u0000"]) + text.slice(cut);
  if (way < 0.9) return text + text;
  if (way < 0.93) return pick(["[", '{"a":']).repeat(1 + Math.floor(random() * 9_000));
  if (way < 0.94) return "x".repeat(70_000);
  const bytes = Buffer.from(text);
  for (let flips = 1 + Math.floor(random() * 4); flips > 0 && bytes.length > 0; flips--)
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  return new Uint8Array(bytes);
}
