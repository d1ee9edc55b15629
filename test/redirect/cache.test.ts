// The cache by itself: its bounds, and that what was evicted is gone whichever generation it was in.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { LIMITS } from "../../src/limits.ts";
import { FORWARDS, QUERY_WINNERS } from "../../src/model/forward.ts";
import { LINK_STATUSES } from "../../src/model/link.ts";
import { RedirectCache } from "../../src/redirect/cache.ts";
import type { CachedLink, RedirectOptions } from "../../src/redirect/cached-link.ts";
import { type HashKey, keyedHash } from "../../src/redirect/keyed-hash.ts";
import { LinkTable } from "../../src/redirect/link-table.ts";

const link = (urlId: number, location = "https://a.b/"): CachedLink => ({
  outcome: "found",
  urlId,
  expiresAtMs: null,
  location,
  version: 1,
  cachedAtMs: 1_790_000_000_000,
  options: undefined,
});

/** Every status, way of forwarding and winner, with and without a beginning and a max-age. */
const optionsAt = (step: number): RedirectOptions => ({
  startsAtMs: step % 2 === 0 ? null : 1_790_000_000_000 + step,
  status: LINK_STATUSES[step % 4] ?? 302,
  maxAgeS: step % 5 === 0 ? null : 1 + (step % LIMITS.maxAgeS),
  forward: FORWARDS[step % 5] ?? "none",
  queryWins: QUERY_WINNERS[step % 2] ?? "target",
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
      version: step + 1,
      location: `https://example.com/\u00e4${"x".repeat(step % 50 === 0 ? 2_020 : step % 90)}`,
      cachedAtMs: 1_790_000_000_000 + step * 1000,
      options: step % 3 === 0 ? undefined : optionsAt(step),
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

/** The hash of 555d70c: FNV-1a from a seed of 32 bits, of which only the lowest seven decide what collides. */
function fnv(state: number, text: string): number {
  let hash = state;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}

/** Pairs of blocks that lead to one state, one after the other (Joux, 2004): 2^11 codes that all fall together under the seed. */
const FNV_SEED = 0x5ca1ab1e;
const FNV_PAIRS =
  "93vu|gtea 2unw|zwba 53zx|cpad 33zx|epad 33zx|epad 33zx|epad 33zx|epad 33zx|epad 33zx|epad 33zx|epad 33zx|epad";

function collideUnderFnv(): string[] {
  return FNV_PAIRS.split(" ")
    .map((pair) => pair.split("|"))
    .reduce((codes, pair) => codes.flatMap((code) => pair.map((block) => code + block)), [""]);
}

test("codes that collided under the hash of an earlier release do not: no lookup gets long", () => {
  const codes = collideUnderFnv();
  expect(new Set(codes.map((code) => fnv(FNV_SEED, code))).size).toBe(1);
  let rekeys = 0;
  const table = new LinkTable({ onRekey: () => rekeys++ });
  for (const [number, code] of codes.entries()) table.set(code, link(number));
  expect(table.longestProbe).toBeLessThan(LIMITS.linkProbes);
  expect([rekeys, table.size, table.get(codes[77] ?? "")?.urlId]).toEqual([0, 2_048, 77]);
});

test("a table whose key is known lays out the part that is attacked under a new one, and holds all it held", () => {
  const weak: HashKey = new Uint32Array(4);
  let draws = 0;
  let rekeys = 0;
  const table = new LinkTable({
    drawKey: () => (draws++ === 0 ? weak : crypto.getRandomValues(new Uint32Array(4))),
    onRekey: () => rekeys++,
  });
  // One shard (the highest 8 bits), one place of its 512 (the lowest 9).
  const aim = (code: string) => keyedHash(weak, code) & 0xff0001ff;
  const target = aim("aim");
  const codes: string[] = [];
  for (let number = 0; codes.length < 260; number++) {
    const code = `n${number.toString(36)}`;
    if (aim(code) === target) codes.push(code);
  }
  for (const [number, code] of codes.entries()) table.set(code, link(number));
  expect(rekeys).toBe(1);
  expect(table.longestProbe).toBeLessThan(LIMITS.linkProbes / 4);
  for (const [number, code] of codes.entries()) expect(table.get(code)?.urlId).toBe(number);
  for (const code of codes) expect(table.delete(code)).toBe(true);
  expect(table.size).toBe(0);
});

test("the keyed hash is SipHash-1-3", () => {
  // Of the reference implementation: key 00 01 .. 0f, no text; and by the other program below for every length.
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => index);
  const key = new Uint32Array(bytes.buffer);
  expect(keyedHash(key, "")).toBe(0xabac0158);
  for (let length = 0; length <= LIMITS.codeMaxChars; length++) {
    const text = Buffer.from(Uint8Array.from({ length }, (_, index) => index * 37 + 200));
    expect(keyedHash(key, text.toString("latin1"))).toBe(Number(sipHash13(bytes, text) >> 32n));
  }
});

/** The same as its definition has it, on whole words of 64 bits. */
function sipHash13(key: Uint8Array, data: Uint8Array): bigint {
  const read = (bytes: Uint8Array, at: number) =>
    [7, 6, 5, 4, 3, 2, 1, 0].reduce((sum, index) => (sum << 8n) | BigInt(bytes[at + index] ?? 0), 0n);
  const turn = (word: bigint, bits: bigint) => BigInt.asUintN(64, (word << bits) | (word >> (64n - bits)));
  const [k0, k1] = [read(key, 0), read(key, 8)];
  let [v0, v1] = [k0 ^ 0x736f6d6570736575n, k1 ^ 0x646f72616e646f6dn];
  let [v2, v3] = [k0 ^ 0x6c7967656e657261n, k1 ^ 0x7465646279746573n];
  const round = () => {
    v0 = BigInt.asUintN(64, v0 + v1);
    v1 = turn(v1, 13n) ^ v0;
    v0 = turn(v0, 32n);
    v2 = BigInt.asUintN(64, v2 + v3);
    v3 = turn(v3, 16n) ^ v2;
    v0 = BigInt.asUintN(64, v0 + v3);
    v3 = turn(v3, 21n) ^ v0;
    v2 = BigInt.asUintN(64, v2 + v1);
    v1 = turn(v1, 17n) ^ v2;
    v2 = turn(v2, 32n);
  };
  const blocks = Math.floor(data.length / 8);
  for (let block = 0; block <= blocks; block++) {
    const word = read(data, block * 8) | (block === blocks ? BigInt(data.length & 255) << 56n : 0n);
    v3 ^= word;
    round();
    v0 ^= word;
  }
  v2 ^= 0xffn;
  for (let last = 0; last < 3; last++) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

test("an older version of a link never takes the place of a newer one", () => {
  const cache = new RedirectCache({ entries: 100, missing: 100, bytes: 20_000 });
  cache.set("code", { ...link(1, "https://new/"), version: 5 });
  cache.set("code", { ...link(1, "https://old/"), version: 4 });
  cache.refresh("code", () => ({ ...link(1, "https://old/"), version: 3 }));
  cache.set("code", null);
  expect(cache.get("code")?.location).toBe("https://new/");
  cache.refresh("code", () => ({ ...link(1, "https://newer/"), version: 6 }));
  cache.refresh("never-asked-for", () => link(2));
  expect([cache.get("code")?.location, cache.get("never-asked-for")]).toEqual(["https://newer/", undefined]);
  // The store itself is believed whatever it says.
  cache.correct("code", { ...link(1, "https://restored/"), version: 2 });
  expect(cache.get("code")?.location).toBe("https://restored/");
  cache.correct("code", null);
  expect(cache.get("code")).toBeNull();
  cache.set("nobody-yet", null);
  cache.refresh("nobody-yet", () => link(3));
  expect(cache.get("nobody-yet")).toEqual(link(3));
});
