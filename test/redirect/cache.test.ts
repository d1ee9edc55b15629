// The cache by itself: its bounds, and that what was evicted is gone whichever generation it was in.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { type CachedLink, RedirectCache } from "../../src/redirect/cache.ts";

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
