// Forwarding by itself: what a visitor's address may become part of, and everything that it may not.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LIMITS } from "../../src/limits.ts";
import { checkTemplate, FORWARDS, type Forward, forwardTo, QUERY_WINNERS } from "../../src/model/forward.ts";

const go = (location: string, forward: Forward, path = "", query = "", queryWins: "target" | "visitor" = "target") =>
  forwardTo({ location, forward, queryWins }, { path, query });

describe("forwardTo()", () => {
  test.each<[string, Forward, string, string, string]>([
    ["https://a.b/x", "none", "", "q=1", "https://a.b/x"],
    ["https://a.b/x", "query", "", "q=1", "https://a.b/x?q=1"],
    ["https://a.b/x?y=2#f", "query", "", "q=1", "https://a.b/x?y=2&q=1#f"],
    ["https://a.b/x?q=own", "query", "", "q=1&r=2", "https://a.b/x?q=own&r=2"],
    ["https://a.b/x?q=own", "query", "", "%71=1", "https://a.b/x?q=own"],
    ["https://a.b/x", "query", "", "", "https://a.b/x"],
    ["https://a.b/x", "query", "", "a=%", "https://a.b/x?a=%25"],
    ["https://a.b/x", "query", "", "a=<\"'>", "https://a.b/x?a=%3C%22'%3E"],
    ["https://a.b/x", "query", "", "a=ü", "https://a.b/x?a=%C3%BC"],
    ["https://a.b", "path", "c/d", "", "https://a.b/c/d"],
    ["https://a.b/x", "path", "c/d", "q=1", "https://a.b/x/c/d"],
    ["https://a.b/x/", "path", "c/", "", "https://a.b/x/c/"],
    ["https://a.b/x?y=2#f", "both", "c", "q=1", "https://a.b/x/c?y=2&q=1#f"],
    ["https://a.b/x", "path", "c%20d", "", "https://a.b/x/c%20d"],
    ["https://tickets.example/{1}", "template", "123", "", "https://tickets.example/123"],
    ["https://tickets.example/{1}", "template", "", "", "https://tickets.example/"],
    ["https://a.b/{2}/{1}", "template", "x/y", "", "https://a.b/y/x"],
    ["https://a.b/s?q={path}", "template", "x/y", "", "https://a.b/s?q=x%2Fy"],
    ["https://a.b/s?q={1}&z=1", "template", "a&b=c", "", "https://a.b/s?q=a%26b%3Dc&z=1"],
    ["https://a.b/s?{query}&z=1", "template", "", "q=1", "https://a.b/s?q=1&z=1"],
    ["https://a.b/{path}?{query}#f", "template", "x/y", "q=1", "https://a.b/x/y?q=1#f"],
    ["https://a.b/{name}/{1}", "template", "x", "", undefined as never],
  ])("of %s by %s with /%s and ?%s is %s", (location, forward, path, query, expected) => {
    // Braces that are no place stay as they are.
    expect(go(location, forward, path, query)).toBe(expected ?? "https://a.b/{name}/x");
  });

  test("lets the visitor's query win where the link says so", () => {
    expect(go("https://a.b/?q=own&z=1", "query", "", "q=1", "visitor")).toBe("https://a.b/?z=1&q=1");
    expect(go("https://a.b/?q=own", "both", "c", "q=1&q=2", "visitor")).toBe("https://a.b/c?q=1&q=2");
  });

  test("is undefined for a path where the link takes none", () => {
    for (const forward of ["none", "query"] as const) expect(go("https://a.b/x", forward, "c")).toBeUndefined();
    expect(go("https://a.b/s?{query}", "template", "c")).toBeUndefined();
  });
});

/** What somebody might send after the code, by hand. Each is refused, or goes where the link says and nowhere else. */
const SMUGGLED: readonly (readonly [path: string, query: string])[] = [
  ["..", ""],
  ["../admin", ""],
  ["c/../../admin", ""],
  ["%2e%2e/admin", ""],
  ["%2E%2E", ""],
  [".%2e/admin", ""],
  ["%252e%252e/admin", ""],
  ["%25252e%25252e", ""],
  ["./admin", ""],
  ["%2e", ""],
  ["..;/admin", ""],
  ["..%3b/admin", ""],
  ["..%2fadmin", ""],
  ["c%2f..%2fadmin", ""],
  ["c%5c..%5cadmin", ""],
  ["..\\admin", ""],
  ["\\\\evil.example", ""],
  ["/evil.example", ""],
  ["//evil.example/x", ""],
  ["c//d", ""],
  ["%00", ""],
  ["c%0d%0aSet-Cookie:a=b", ""],
  ["c\r\nSet-Cookie: a=b", ""],
  ["@evil.example", ""],
  [":8080/x", ""],
  ["https://evil.example", ""],
  ["%", ""],
  ["%zz", ""],
  ["\ud800", ""],
  ["c%E2%80%AEgnp", ""],
  ["x%25zz%252f..%252f..%252fadmin", ""],
  ["%252e%252e%252fetc%25", ""],
  ["%252e%252e%252fetc%25ff", ""],
  ["%25c0%25ae%25c0%25ae", ""],
  ["%c0%ae%c0%ae/x", ""],
  ["%2525252e%2525252e", ""],
  ["%252/e%252e", ""],
  ["@127.0.0.1:6152", ""],
  ["[".repeat(15_000), "[".repeat(15_000)],
  ["", "x#fragment"],
  ["", "\r\nLocation: https://evil.example"],
  ["", "%0d%0aLocation:https://evil.example"],
  ["", "\ud800"],
  ["", `a=${"x".repeat(LIMITS.forwardedBytes)}`],
  ["x".repeat(LIMITS.forwardedBytes), ""],
];

describe("what a visitor sends", () => {
  const TARGETS: readonly (readonly [string, Forward, string])[] = [
    ["https://user:pw@a.example:8443/base/dir?own=1#own", "both", "/base/dir"],
    ["https://a.example", "path", "/"],
    ["https://a.example/base/{1}/{2}?p={path}&{query}#own", "template", "/base/"],
    ["https://a.example/base/v{1}", "template", "/base/v"],
    ["https://a.example/base/{1}{2}{3}/x", "template", "/base/"],
    ["http://a.example:81/base?x={1}", "template", "/base"],
    ["http://a.example\\{1}", "template", "/"],
    [`https://a.example/base?${"{query}".repeat(20)}`, "template", "/base"],
  ];

  test.each(SMUGGLED)("does not smuggle anything by /%p and ?%p", (path, query) => {
    for (const [location, forward, prefix] of TARGETS) expectWithin(location, forward, prefix, path, query);
  });

  test("never changes scheme, host, port, user or fragment, leaves the path, breaks a line, or passes 8 KB (property)", () => {
    const nasty = fc.constantFrom(
      ...["..", ".", "%2e", "%2E%2e", "%252e", "%2f", "%5c", "\\", "/", "//", "@", ":", "#", "?", "&", "=", ";", "{1}"],
      ...["%00", "%0d%0a", "\r\n", "%", "evil.example", "https:", "ü", "\u202e", " ", "\t", "a", "x".repeat(3_000)],
    );
    const text = fc.oneof(
      fc.array(nasty, { maxLength: 8 }).map((parts) => parts.join("")),
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.webPath(),
      fc.webQueryParameters(),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...TARGETS),
        text,
        text,
        fc.constantFrom(...QUERY_WINNERS),
        (target, path, query, wins) => {
          const [location, forward, prefix] = target;
          expectWithin(location, forward, prefix, path, query, wins);
        },
      ),
      { numRuns: 20_000 },
    );
  });

  test("cannot be told from outside of what it was put into (the checker sees what is planted)", () => {
    const allowed = "https://a.example/base";
    for (const bad of [
      "https://b.example/base",
      "http://a.example/base",
      "https://a.example:1/base",
      "https://u@a.example/base",
    ])
      expect(() => judge(bad, allowed, "/base")).toThrow();
    for (const bad of ["https://a.example/other", `${allowed}#x`, `${allowed}\r\n`])
      expect(() => judge(bad, allowed, "/base")).toThrow();
  });

  test("that is plain is forwarded: a link that refused everything would pass all of the above", () => {
    for (const path of ["a", "a/b", "a.b", "...", "a..b", "%20", "%C3%BC", "~x", "a;b", "%2B", "100%25", "@me", "a:b"])
      expect([path, go("https://a.b/c", "path", path)]).toEqual([path, `https://a.b/c/${path}`]);
    for (const query of ["a=b", "a=%2e%2e", "u=https://x.y/z?w", "a[]=1", "a=%0d%0a"])
      expect(go("https://a.b/c", "query", "", query)).toStartWith("https://a.b/c?");
  });
});

function expectWithin(
  location: string,
  forward: Forward,
  prefix: string,
  path: string,
  query: string,
  queryWins: "target" | "visitor" = "target",
): void {
  const made = forwardTo({ location, forward, queryWins }, { path, query });
  if (made === undefined) return;
  const literal = location.replaceAll(/\{(?:[1-9]|path|query)\}/g, "");
  judge(made, literal, prefix);
}

/** The checks of a stranger who knows no more than the issue says, with the platform's own parser. */
function judge(made: string, allowed: string, prefix: string): void {
  const [is, was] = [new URL(made), new URL(allowed)];
  for (const part of ["protocol", "hostname", "port", "username", "password", "hash"] as const)
    if (is[part] !== was[part]) throw new Error(`${part} of ${made} is not that of ${allowed}`);
  if (!is.pathname.startsWith(prefix)) throw new Error(`${made} leaves ${prefix}`);
  if (!/^[\x21-\x7e]+$/.test(made)) throw new Error("the header would be broken");
  if (Buffer.byteLength(made) > LIMITS.forwardedBytes) throw new Error("too long");
  // Who reads by RFC 3986 alone, and takes a backslash for part of a host.
  const authority = /^https?:\/\/([^/?#]*)/.exec(made)?.[1] ?? "";
  if (authority.includes("\\")) throw new Error(`the host of ${made} ends where who asks thinks it does`);
  // And who decodes as often as it changes anything.
  let path = made.slice(made.indexOf(authority) + authority.length).split(/[?#]/)[0] ?? "";
  for (let times = 0; times < 8; times++) {
    if (path.split(/[/\\]/).some((segment) => /^\.{1,2}(?:;|$)/.test(segment))) throw new Error(`${made} climbs`);
    path = path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}

describe("checkTemplate()", () => {
  test.each(["https://a.b/{1}", "https://a.b/{path}?x={2}", "https://a.b/s?{query}", "https://a.b/{1}/{name}"])(
    "takes %s",
    (url) => {
      expect(() => checkTemplate(url)).not.toThrow();
    },
  );

  test.each([
    ["https://{1}.b/", "host"],
    ["https://a.b:{1}/", "host"],
    ["https://{path}@a.b/", "host"],
    ["https://a.b\\{1}", "host"],
    ["https://a.b/#{1}", "fragment"],
    ["https://a.b/{1}#{2}", "fragment"],
    ["https://a.b/{query}", "query"],
    ["https://a.b/", "place"],
    ["https://a.b/{0}/{name}", "place"],
    ["https://a.b/c/.{1}", "dots"],
    ["https://a.b/c/%2e%2e{1}", "dots"],
    ["https://a.b/c/%2e{1}", "dots"],
    ["https://a.b/{1}/x%2fy", "slash"],
    ["https://a.b/%{1}", "percent"],
    ["https://a.b/?x=%2{1}", "percent"],
    [`https://a.b/${"{1}".repeat(21)}`, "at most 20"],
    ["https://a.b/c/.{1}{path}./d", "dots"],
  ])("refuses %s: %s", (url, rule) => {
    expect(() => checkTemplate(url)).toThrow(rule);
  });

  test("knows every way of forwarding", () => {
    expect([...FORWARDS]).toEqual(["none", "query", "path", "both", "template"]);
  });
});
