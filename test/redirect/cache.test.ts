// The cache by itself: its bounds, and that what was evicted is gone whichever generation it was in.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { RedirectCache } from "../../src/redirect/cache.ts";
import { type CachedLink, LinkTable } from "../../src/redirect/link-table.ts";

const link = (urlId: number, location = "https://a.b/"): CachedLink => ({
  outcome: "found",
  urlId,
  expiresAtMs: null,
  location,
});

test("never holds more links, missing codes or bytes than it may, and answers only what was put in and not taken out", () => {
  const action = fc.record({
    kind: fc.constantFrom("set", "miss", "get", "evict"),
    code: fc.integer({ min: 0, max: 60 }).map((number) => `c${number}`),
    chars: fc.integer({ min: 1, max: 300 }),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 400 }), (actions) => {
      const cache = new RedirectCache({ entries: 20, missing: 10, bytes: 6_000 });
      const truth = new Map<string, CachedLink | null>();
      for (const [step, { kind, code, chars }] of actions.entries()) {
        if (kind === "set" || kind === "miss") {
          const value = kind === "set" ? link(step, "x".repeat(chars)) : null;
          cache.evict(code);
          cache.set(code, value);
          truth.set(code, value);
        } else if (kind === "evict") {
          cache.evict(code);
          truth.delete(code);
        }
        const held = cache.get(code);
        // It may have forgotten; it must not have made anything up.
        if (held !== undefined) expect(held).toEqual(truth.get(code) as CachedLink | null);
        const { links, missing, bytes } = cache.size;
        expect(links).toBeLessThanOrEqual(20);
        expect(missing).toBeLessThanOrEqual(10);
        expect(bytes).toBeLessThanOrEqual(6_000);
        expect(bytes).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});

test("keeps what is used while others come and go", () => {
  const cache = new RedirectCache({ entries: 100, missing: 10, bytes: 1e9 });
  cache.set("hot", link(0));
  for (let number = 1; number < 1_000; number++) {
    cache.set(`cold-${number}`, link(number));
    if (number % 20 === 0) expect(cache.get("hot")).toEqual(link(0));
  }
  expect(cache.get("hot")).toEqual(link(0));
  expect(cache.get("cold-1")).toBeUndefined();
});

test("holds nothing where it may hold nothing", () => {
  const cache = new RedirectCache({ entries: 0, missing: 0, bytes: 0 });
  cache.set("a", link(1));
  cache.set("b", null);
  expect([cache.get("a"), cache.get("b"), cache.size.links]).toEqual([undefined, undefined, 0]);
});

test("a table holds what a Map would, whatever is set, deleted and set again, across growth and chunks", () => {
  const table = new LinkTable();
  const truth = new Map<string, CachedLink>();
  const random = Math.random;
  for (let step = 0; step < 60_000; step++) {
    const code = `c${Math.floor(random() * 20_000).toString(36)}${"-_Az".slice(0, step % 5)}`;
    expect(table.get(code)).toEqual(truth.get(code));
    const isThere = truth.has(code);
    if (isThere) expect(table.delete(code)).toBe(true);
    truth.delete(code);
    if (isThere && step % 3 === 0) continue;
    const value: CachedLink = {
      outcome: step % 7 === 0 ? "inactive" : "found",
      urlId: step * 2 ** 20,
      expiresAtMs: step % 2 === 0 ? null : 1_790_000_000_000 + step,
      // Some are as long as they may be, so that records end at every place of a chunk.
      location: `https://example.com/\u00e4${"x".repeat(step % 50 === 0 ? 2_020 : step % 90)}`,
    };
    table.set(code, value);
    truth.set(code, value);
  }
  expect(table.size).toBe(truth.size);
  expect(new Map(table.entries())).toEqual(truth);
  expect(table.get("c-never")).toBeUndefined();
  expect(table.get("\u0163\u0430")).toBeUndefined();
  expect(table.delete("c-never")).toBe(false);
});

test("what is put in again as it was takes no more room", () => {
  const cache = new RedirectCache({ entries: 100, missing: 100, bytes: 20_000 });
  cache.set("kept", link(1));
  for (let time = 0; time < 10_000; time++) {
    cache.set("again", link(2));
    cache.set("nothing", null);
  }
  expect([cache.get("kept"), cache.get("again"), cache.get("nothing")]).toEqual([link(1), link(2), null]);
  expect(cache.size.links).toBe(2);
});
