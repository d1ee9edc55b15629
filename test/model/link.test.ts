import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { LIMITS } from "../../src/limits.ts";
import { checkCode, generateCode, isCode, isReservedCode, nearCodes } from "../../src/model/code.ts";
import { destinationFromState } from "../../src/model/destination.ts";
import { DEFAULT_OPTIONS, optionsOf } from "../../src/model/link-options.ts";
import { checkTitle, LINK } from "../../src/model/link-subject.ts";
import { auditedState, stateFromRow } from "../../src/model/subject.ts";
import { checkOriginalUrl } from "../../src/model/target.ts";

const none: ReadonlySet<string> = new Set();

describe("destinationFromState()", () => {
  const state = {
    id: 5,
    short_code: "abc",
    original_url: "https://a.b/",
    is_active: true,
    expires_at: null,
    version: 2,
  };

  test("reads where a link leads, and null in what is no link's state, or was erased", () => {
    expect(destinationFromState(state)).toMatchObject({
      id: 5,
      short_code: "abc",
      original_url: "https://a.b/",
      version: 2,
    });
    for (const broken of [null, { ...state, short_code: undefined }, { ...state, original_url: 7 }])
      expect(destinationFromState(broken)).toBeNull();
  });
});

test("the state of a link with every option, byte for byte: events that hold it must verify for ever", () => {
  const row = {
    id: 5,
    short_code: "abc",
    original_url: "https://a.b/{1}",
    title: "T",
    is_active: 1,
    expires_at_ms: 2_000_000_000_000,
    user_id: 7,
    created_at_ms: 0,
    updated_at_ms: 1,
    version: 3,
    ...DEFAULT_OPTIONS,
    ...optionsOf({
      tags: ["b", "A", "e\u0301"],
      starts_at: "2026-12-01T00:00:00Z",
      status: 307,
      max_age: 60,
      forward: "template",
      query_wins: "visitor",
    }),
  };
  const state = auditedState(LINK, stateFromRow(LINK, row));
  expect(JSON.stringify(state)).toBe(
    '{"id":5,"short_code":"abc","original_url":"https://a.b/{1}","title":"T","is_active":true,' +
      '"expires_at":"2033-05-18T03:33:20.000Z","user_id":7,"created_at":"1970-01-01T00:00:00.000Z",' +
      '"updated_at":"1970-01-01T00:00:00.001Z","version":3,"tags":["A","b","\u00e9"],' +
      '"starts_at":"2026-12-01T00:00:00.000Z","status":307,"max_age":60,"forward":"template","query_wins":"visitor"}',
  );
  expect(destinationFromState(state)).toMatchObject({ status: 307, max_age: 60, forward: "template" });
});

test("codes near another differ by case or one slip, are codes themselves, and are bounded", () => {
  expect(nearCodes("Sale")).toEqual(expect.arrayContaining(["sale", "SALE", "Slae", "Sal", "Sales", "Sole"]));
  expect(nearCodes("Sale")).not.toContain("Sale");
  expect(nearCodes("a".repeat(64)).every(isCode)).toBe(true);
  expect(nearCodes("a".repeat(5_000))).toEqual([]);
});

describe("checkOriginalUrl()", () => {
  test.each([
    "https://example.com",
    "HTTP://EXAMPLE.com/Path?q=1#f",
    "https://example.com/ünï/€",
    "https://user:pw@example.com:8443/",
    "http://[::1]:80/x",
    "https://example.com/a b",
    `https://example.com/${"a".repeat(LIMITS.urlBytes - 20)}`,
  ])("keeps %p byte for byte", (url) => {
    expect(checkOriginalUrl(`  ${url}\n`, none)).toBe(url);
  });

  test.each([
    ["", "empty"],
    ["   ", "empty"],
    ["javascript:alert(1)", "scheme"],
    ["data:text/html,x", "scheme"],
    ["ftp://example.com/", "scheme"],
    ["mailto:a@b.c", "scheme"],
    ["example.com", "absolute"],
    ["//example.com/x", "absolute"],
    ["/x", "absolute"],
    ["https:example.com", "absolute"],
    ["https:/example.com", "absolute"],
    ["https:///example.com", "absolute"],
    ["https://\\example.com", "absolute"],
    ["https://example.com\\@evil.example/", "backslash"],
    ["https://x\\", "backslash"],
    ["https://", "absolute"],
    ["https://[::1", "absolute"],
    ["https://example.com:99999/", "absolute"],
    ["https://example.com/\r\nSet-Cookie: a=b", "control"],
    ["https://example.com/\u0000", "control"],
    ["https://exam\tple.com/", "control"],
    ["https://example.com/\u0085", "control"],
    ["https://example.com/\ud800", "surrogates"],
    [`https://example.com/${"a".repeat(LIMITS.urlBytes)}`, "at most"],
    [`https://example.com/${"ü".repeat(LIMITS.urlBytes / 2)}`, "at most"],
  ])("refuses %p: %s", (url, rule) => {
    expect(() => checkOriginalUrl(url, none)).toThrow(rule);
  });

  test("refuses a link to its own redirect host, whatever the scheme and case", () => {
    const own = new Set(["go.example.com"]);
    expect(() => checkOriginalUrl("https://GO.example.com/abc", own)).toThrow("own redirect host");
    expect(() => checkOriginalUrl("http://go.example.com:80/abc", own)).toThrow("own redirect host");
    expect(() => checkOriginalUrl("http://go.example.com:443/abc", own)).toThrow("own redirect host");
    expect(() => checkOriginalUrl("https://go.example.com./abc", own)).toThrow("own redirect host");
    expect(checkOriginalUrl("https://go.example.com:8443/abc", own)).toBe("https://go.example.com:8443/abc");
  });

  test("what it accepts is http or https with a host, and never longer or changed (property)", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.webUrl(),
          fc.string({ unit: "binary" }),
          fc.string().map((text) => `https://${text}`),
        ),
        (text) => {
          let accepted: string;
          try {
            accepted = checkOriginalUrl(text, none);
          } catch {
            return;
          }
          const parsed = new URL(accepted);
          expect(["http:", "https:"]).toContain(parsed.protocol);
          expect(parsed.host).not.toBe("");
          expect(accepted).toBe(text.trim());
          expect(Buffer.byteLength(accepted)).toBeLessThanOrEqual(LIMITS.urlBytes);
          expect(accepted).not.toMatch(/\p{Cc}/u);
          expect(Buffer.from(accepted).toString()).toBe(accepted);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe("short codes", () => {
  test.each(["abc", "A-b_9", "a".repeat(64), "12a"])("%p may be given", (code) => {
    expect(checkCode(code)).toBe(code);
  });

  test.each(["", "ab", "a".repeat(65), "123456", "a b c", "a/b", "äbc", "abc\n", "%00x", "a.b.c"])(
    "%p may not",
    (code) => {
      expect(() => checkCode(code)).toThrow("short_code");
    },
  );

  test.each(["urls", "URLS", "health", "metrics", "Events"])("%p is reserved", (code) => {
    expect(() => checkCode(code)).toThrow("reserved");
  });

  test("a generated code is six characters, has a letter and is never reserved (property)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (seed) => {
        const drawn = [...seed];
        // The drawn bytes first, then real randomness, so that every draw ends.
        const bytes = (size: number) =>
          drawn.length >= size ? Uint8Array.from(drawn.splice(0, size)) : new Uint8Array(randomBytes(size));
        const code = generateCode(bytes);
        expect(code).toMatch(/^[A-Za-z0-9]{6}$/);
        expect(code).toMatch(/[A-Za-z]/);
        expect(isReservedCode(code)).toBe(false);
        expect(isCode(code)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  test("generated codes use all 62 characters about equally", () => {
    const counts = new Map<string, number>();
    for (let index = 0; index < 20_000; index++)
      for (const char of generateCode(randomBytes)) counts.set(char, (counts.get(char) ?? 0) + 1);
    expect(counts.size).toBe(62);
    const mean = 120_000 / 62;
    // Six standard deviations: a fair draw fails this less than once in a million runs.
    for (const count of counts.values()) expect(Math.abs(count - mean)).toBeLessThan(6 * Math.sqrt(mean));
  });
});

test("checkTitle() counts characters, not UTF-16 units", () => {
  expect(checkTitle(` ${"😀".repeat(255)} `)).toBe("😀".repeat(255));
  expect(() => checkTitle("😀".repeat(256))).toThrow("at most 255");
  expect(() => checkTitle("a\u0000b")).toThrow("control");
  expect(() => checkTitle("a\ud800b")).toThrow("surrogates");
});
