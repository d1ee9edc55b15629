// Checkpoints, tiles and proofs as the C2SP specs write them.

import { describe, expect, test } from "bun:test";
import { verifyCheckpoint } from "@sigstore/verify/dist/tlog/checkpoint.js";
import fc from "fast-check";
import { hashLeaf } from "../../src/audit/event.ts";
import { createLogKey, encodeVerifierKey, parseVerifierKey } from "../../src/audit/log-key.ts";
import { sha256 } from "../../src/runtime/sha256.ts";
import { openCheckpoint, signCheckpoint } from "../../src/tlog/checkpoint.ts";
import type { CheckpointError } from "../../src/tlog/note.ts";
import { checkProof, encodeProof } from "../../src/tlog/proof.ts";
import { bundlesOf, decodeBundle, encodeBundle, parseTilePath, tilePath, tilesOf } from "../../src/tlog/tiles.ts";
import { keyObjectOf, TEST_LOG_KEY } from "../support/harness.ts";

const root = hashLeaf(Buffer.from("only"));
const note = signCheckpoint(TEST_LOG_KEY, { size: 1, root });

describe("verifier keys", () => {
  // The example of golang.org/x/mod/sumdb/note: its key, and a note that was signed with it.
  const vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

  test("are read as golang.org/x/mod writes them", () => {
    const key = parseVerifierKey(vkey);
    expect([key.origin, key.keyId]).toEqual(["PeterNeumann", "c74f20a3"]);
    expect(encodeVerifierKey(key)).toBe(vkey);
    expect(parseVerifierKey(encodeVerifierKey(TEST_LOG_KEY)).keyId).toBe(TEST_LOG_KEY.keyId);
  });

  test.each([
    "",
    "x",
    vkey.replace("c74f20a3", "c74f20a4"),
    vkey.replace("+AR", "+BR"),
    vkey.slice(0, -4),
    `${vkey}AAAA`,
  ])("are refused where they are damaged: %s", (text) => {
    expect(() => parseVerifierKey(text)).toThrow("verifier key");
  });
});

describe("checkpoints", () => {
  test("have the body of tlog-checkpoint and one signature line", () => {
    const [origin, size, hash, empty, signature, end] = note.split("\n");
    expect([origin, size, hash, empty, end]).toEqual([
      "test.example/log",
      "1",
      Buffer.from(root).toString("base64"),
      "",
      "",
    ]);
    expect(signature).toStartWith("\u2014 test.example/log ");
  });

  test("are opened by us and by sigstore's verifier", () => {
    expect(openCheckpoint(note, TEST_LOG_KEY)).toEqual({ size: 1, root });
    const logID = Buffer.from(TEST_LOG_KEY.keyId, "hex");
    const opened = verifyCheckpoint(
      { inclusionProof: { checkpoint: { envelope: note } } } as never,
      [{ logID, baseURL: "test.example/log", publicKey: keyObjectOf(TEST_LOG_KEY) }] as never,
    );
    expect([opened.logSize, Buffer.from(opened.logHash)]).toEqual([1n, Buffer.from(root)]);
  });

  test("may carry the signatures of others", () => {
    expect(openCheckpoint(`${note}\u2014 witness.example mJirIklj\n`, TEST_LOG_KEY).size).toBe(1);
    // Up to 20,000 characters.
    const padded = (length: number) => `${note.padEnd(length - 1, "x")}\n`;
    expect(openCheckpoint(padded(20_000), TEST_LOG_KEY).size).toBe(1);
    expect(() => openCheckpoint(padded(20_001), TEST_LOG_KEY)).toThrow("too long");
  });

  test("are refused where any character of body or signature was changed", () => {
    fc.assert(
      fc.property(fc.nat(note.length - 1), fc.constantFrom("0", "A", "\n", " ", "/"), (at, character) => {
        fc.pre(note[at] !== character);
        expect(() => openCheckpoint(note.slice(0, at) + character + note.slice(at + 1), TEST_LOG_KEY)).toThrow();
      }),
      { numRuns: 500 },
    );
  });

  test.each<[string, string, string]>([
    [
      "of another log",
      signCheckpoint(createLogKey("other.example/log", TEST_LOG_KEY.seed), { size: 1, root }),
      "of the log",
    ],
    ["of another key", signCheckpoint(createLogKey(TEST_LOG_KEY.origin, root), { size: 1, root }), "not signed with"],
    ["without an end", note.slice(0, -1), "not a signed note"],
    ["that never ends", note + "x".repeat(20_000), "too long"],
    ["with a size that is none", signCheckpoint(TEST_LOG_KEY, { size: 1.5, root }), "cannot be read"],
    ["with a short root", signCheckpoint(TEST_LOG_KEY, { size: 1, root: root.slice(1) }), "cannot be read"],
  ])("are refused %s", (_, text, reason) => {
    let thrown: CheckpointError | undefined;
    try {
      openCheckpoint(text, TEST_LOG_KEY);
    } catch (error) {
      thrown = error as CheckpointError;
    }
    expect([thrown?.name, thrown?.message.includes(reason)]).toEqual(["CheckpointError", true]);
  });
});

describe("tiles", () => {
  test.each<[string, Parameters<typeof tilePath>[0]]>([
    ["tile/0/x001/x234/067", { level: 0, index: 1234067, width: 256 }],
    ["tile/0/x001/x234/067.p/8", { level: 0, index: 1234067, width: 8 }],
    ["tile/1/000.p/1", { level: 1, index: 0, width: 1 }],
    ["tile/entries/999", { level: "entries", index: 999, width: 256 }],
    ["tile/entries/x001/000.p/255", { level: "entries", index: 1000, width: 255 }],
    ["tile/63/005", { level: 63, index: 5, width: 256 }],
  ])("are named %s", (path, tile) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  test.each([
    "tile/64/000",
    "tile/00/000",
    "tile/0/00",
    "tile/0/0000",
    "tile/0/x000/001",
    "tile/0/001/002",
    "tile/0/x001",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/0/000.p/",
    "tile/-1/000",
    "tile/0/000/",
    "tile//000",
    "tile/data/000",
    "checkpoint",
    "tile/0/x999/x999/x999/x999/x999/999",
  ])("have no other name: %s", (path) => {
    expect(parseTilePath(path)).toBeUndefined();
  });

  test("of a tree of 70,000 are those of the spec's example", () => {
    const count = (level: number) => [...tilesOf(70_000)].filter((tile) => tile.level === level);
    expect([count(0).length, count(0).at(-1)?.width]).toEqual([274, 112]);
    expect([count(1).length, count(1).at(-1)?.width]).toEqual([2, 17]);
    expect([count(2).length, count(2).at(-1)?.width]).toEqual([1, 1]);
    expect([...tilesOf(256)].map(tilePath)).toEqual(["tile/0/000", "tile/1/000.p/1"]);
    expect([...bundlesOf(257)].map(tilePath)).toEqual(["tile/entries/000", "tile/entries/001.p/1"]);
    expect([...tilesOf(0)]).toEqual([]);
  });

  test("of entries are read back as they were written, and refused where they are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { minLength: 1, maxLength: 20 }), (entries) => {
        const bundle = encodeBundle(entries);
        expect(decodeBundle(bundle).map((entry) => [...entry])).toEqual(entries.map((entry) => [...entry]));
        expect(() => decodeBundle(bundle.subarray(0, -1))).toThrow(RangeError);
      }),
    );
    expect(() => encodeBundle([new Uint8Array(65_536)])).toThrow(RangeError);
  });
});

describe("proofs", () => {
  test("are texts of tlog-proof that anybody may check", () => {
    const proof = encodeProof(0, [], note);
    expect(proof).toBe(`c2sp.org/tlog-proof@v1\nindex 0\n\n${note}`);
    expect(checkProof(proof, root, { key: TEST_LOG_KEY, sha256 })).toBe(0);
    expect(checkProof(proof.replace("\nindex", "\nextra AAAA\nindex"), root, { key: TEST_LOG_KEY, sha256 })).toBe(0);
  });

  test("are called none where no empty line ends the path", () => {
    const text = "c2sp.org/tlog-proof@v1\nindex 0\n";
    expect(() => checkProof(text, root, { key: TEST_LOG_KEY, sha256 })).toThrow("this is not a tlog-proof");
  });

  test.each<[string, (proof: string) => string]>([
    ["another index", (proof) => proof.replace("index 0", "index 1")],
    ["an index with a zero before it", (proof) => proof.replace("index 0", "index 00")],
    ["a hash too many", (proof) => proof.replace("index 0\n", `index 0\n${Buffer.from(root).toString("base64")}\n`)],
    ["another header", (proof) => proof.replace("@v1", "@v2")],
    ["no checkpoint", (proof) => proof.slice(0, 32)],
  ])("are refused with %s", (_, change) => {
    expect(() => checkProof(change(encodeProof(0, [], note)), root, { key: TEST_LOG_KEY, sha256 })).toThrow();
  });
});
