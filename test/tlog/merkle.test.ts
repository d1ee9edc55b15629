// The tree against RFC 6962's own definition, its published vectors, and an implementation that is not ours.

import { describe, expect, test } from "bun:test";
import { verifyMerkleInclusion } from "@sigstore/verify/dist/tlog/merkle.js";
import fc from "fast-check";
import { hashLeaf } from "../../src/audit/event.ts";
import { sha256 } from "../../src/runtime/sha256.ts";
import {
  consistencySpans,
  EMPTY_ROOT,
  Frontier,
  hashNode,
  inclusionSpans,
  isConsistent,
  isIncluded,
} from "../../src/tlog/merkle.ts";
import { frontierAt, proveConsistency, proveInclusion, rootAt, type TileReader } from "../../src/tlog/tiles.ts";

const EDGES = [255, 256, 257, 511, 512, 65_535, 65_536, 70_000];
const SMALL = Array.from({ length: 600 }, (_, index) => index + 1);
const entry = (index: number) => Buffer.from(`entry ${index}`);
const leaves = Array.from({ length: 70_000 }, (_, index) => hashLeaf(entry(index)));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** MTH of RFC 6962 section 2.1, word for word. */
function treeHash(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return EMPTY_ROOT;
  if (hashes.length === 1) return hashes[0] as Uint8Array;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return hashNode(sha256, treeHash(hashes.slice(0, split)), treeHash(hashes.slice(split)));
}

/** Every tile of the whole tree, built level by level. */
const levels: Uint8Array[][] = [leaves];
for (let below = leaves; below.length >= 256; below = levels.at(-1) ?? []) {
  const full = Math.floor(below.length / 256);
  levels.push(Array.from({ length: full }, (_, at) => treeHash(below.slice(at * 256, at * 256 + 256))));
}
const read: TileReader = ({ level, index, width }) =>
  Promise.resolve(Buffer.concat(levels[level]?.slice(index * 256, index * 256 + width) ?? []));

const roots = new Map<number, Uint8Array>([[0, EMPTY_ROOT]]);
const growing = new Frontier(sha256);
for (const leaf of leaves) {
  growing.append(leaf);
  if (growing.size <= 600 || EDGES.includes(growing.size)) roots.set(growing.size, growing.root);
}
const rootOf = (size: number) => roots.get(size) as Uint8Array;
const flipped = (hash: Uint8Array, bit: number) => {
  const copy = new Uint8Array(hash);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
};

describe("roots", () => {
  // certificate-transparency's reference vectors: eight leaves and the roots of the first 1 to 8 of them.
  const inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
  const expected = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  ];

  test("are those of the reference vectors", () => {
    const frontier = new Frontier(sha256);
    expect(hex(frontier.root)).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (const [index, input] of inputs.entries()) {
      frontier.append(hashLeaf(Buffer.from(input, "hex")));
      expect(hex(frontier.root)).toBe(expected[index] as string);
    }
  });

  test("are MTH of RFC 6962 at every size to 600 and at the edges, grown or read from tiles", async () => {
    for (const size of [...SMALL, ...EDGES]) {
      expect(hex(rootOf(size))).toBe(hex(treeHash(leaves.slice(0, size))));
      expect(hex(await rootAt(sha256, read, size))).toBe(hex(rootOf(size)));
    }
  });

  test("go on from a frontier that was read back", async () => {
    for (const size of [1, 2, 3, 255, 256, 257, 511, 512, 65_535]) {
      const frontier = await frontierAt(sha256, read, size);
      for (let at = size; at < size + 1; at++) frontier.append(leaves[at] as Uint8Array);
      expect(hex(frontier.root)).toBe(hex(treeHash(leaves.slice(0, size + 1))));
    }
  });
});

describe("inclusion", () => {
  const indexesOf = (size: number) =>
    size <= 40 ? SMALL.slice(0, size).map((at) => at - 1) : [0, 1, size >> 1, size - 2, size - 1];

  test("is proved for leaves of every size, to us and to sigstore's verifier", async () => {
    for (const size of [...SMALL, ...EDGES]) {
      for (const index of indexesOf(size)) {
        const proof = await proveInclusion(sha256, read, index, size);
        const leaf = { hash: leaves[index] as Uint8Array, index };
        expect(isIncluded(sha256, leaf, { size, root: rootOf(size) }, proof)).toBe(true);
        const theirs = { logIndex: String(index), hashes: proof.map((hash) => Buffer.from(hash)) };
        verifyMerkleInclusion(
          { canonicalizedBody: entry(index), inclusionProof: theirs } as never,
          { logSize: BigInt(size), logHash: Buffer.from(rootOf(size)) } as never,
        );
      }
    }
  });

  test("is refused where anything of the proof was changed", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SMALL.slice(1), ...EDGES),
        fc.nat(),
        fc.nat(),
        fc.nat(255),
        async (size, at, which, bit) => {
          const index = at % size;
          const proof = await proveInclusion(sha256, read, index, size);
          const leaf = { hash: leaves[index] as Uint8Array, index };
          const tree = { size, root: rootOf(size) };
          const bad = proof.map((hash, place) => (place === which % proof.length ? flipped(hash, bit) : hash));
          expect(isIncluded(sha256, leaf, tree, bad)).toBe(false);
          expect(isIncluded(sha256, leaf, tree, proof.slice(1))).toBe(false);
          expect(isIncluded(sha256, leaf, tree, [...proof, rootOf(1)])).toBe(false);
          expect(isIncluded(sha256, { ...leaf, hash: flipped(leaf.hash, bit) }, tree, proof)).toBe(false);
          expect(isIncluded(sha256, leaf, { size, root: flipped(tree.root, bit) }, proof)).toBe(false);
          expect(isIncluded(sha256, { ...leaf, index: (index + 1) % size }, tree, proof)).toBe(false);
          expect(isIncluded(sha256, { ...leaf, index: size }, tree, proof)).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("consistency", () => {
  test("is proved between every two sizes to 80, and between the edges", async () => {
    const sizes = [...SMALL.slice(0, 80), ...EDGES];
    for (const from of [0, ...sizes]) {
      for (const to of sizes.filter((size) => size >= from)) {
        const proof = await proveConsistency(sha256, read, from, to);
        const isTrue = isConsistent(sha256, { size: from, root: rootOf(from) }, { size: to, root: rootOf(to) }, proof);
        expect([from, to, isTrue]).toEqual([from, to, true]);
      }
    }
  });

  test("is refused for another history, and where anything of the proof was changed", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SMALL, ...EDGES),
        fc.constantFrom(...SMALL, ...EDGES),
        fc.nat(),
        fc.nat(255),
        async (one, two, which, bit) => {
          const [from, to] = [Math.min(one, two), Math.max(one, two)];
          fc.pre(from < to);
          const [old, now] = [
            { size: from, root: rootOf(from) },
            { size: to, root: rootOf(to) },
          ];
          const proof = await proveConsistency(sha256, read, from, to);
          const bad = proof.map((hash, place) => (place === which % proof.length ? flipped(hash, bit) : hash));
          expect(isConsistent(sha256, old, now, bad)).toBe(false);
          expect(isConsistent(sha256, old, now, proof.slice(1))).toBe(false);
          expect(isConsistent(sha256, old, now, [...proof, rootOf(1)])).toBe(false);
          expect(isConsistent(sha256, { size: from, root: flipped(old.root, bit) }, now, proof)).toBe(false);
          expect(isConsistent(sha256, old, { size: to, root: flipped(now.root, bit) }, proof)).toBe(false);
          expect(isConsistent(sha256, now, old, proof)).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("needs spans that cover the new tree exactly once", () => {
    for (const to of SMALL.slice(0, 100)) {
      for (const index of [0, to >> 1, to - 1]) {
        const covered = [...inclusionSpans(index, to), { start: index, end: index + 1 }].sort(
          (a, b) => a.start - b.start,
        );
        expect(covered.map(({ start }) => start)).toEqual([0, ...covered.slice(0, -1).map(({ end }) => end)]);
        expect(covered.at(-1)?.end).toBe(to);
      }
      expect(consistencySpans(to, to)).toEqual([]);
    }
  });
});
