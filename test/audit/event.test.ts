import { describe, expect, test } from "bun:test";
import canonicalize from "canonicalize";
import fc from "fast-check";
import {
  contradictionsOf,
  digestOf,
  disclose,
  encodeLeaf,
  hashLeaf,
  type NewEvent,
  openEvent,
  sealEvent,
  tagOf,
} from "../../src/audit/event.ts";
import { createLogKey, encodeLogKey, encodeVerifierKey, parseLogKey } from "../../src/audit/log-key.ts";
import { EVENT_TYPES, type EventRow } from "../../src/model/event.ts";
import { SUBJECTS } from "../../src/model/subjects.ts";
import vectors from "./vectors/event.json" with { type: "json" };

const key = createLogKey(vectors.origin, Buffer.from(vectors.seed, "hex"));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const salt = (start: number) => Uint8Array.from({ length: 16 }, (_, index) => start + index);

/** The vectors' own salts, in the order in which sealing draws them. */
function vectorSalts(): (size: number) => Uint8Array {
  const salts = [salt(0), salt(16)];
  return () => salts.shift() ?? new Uint8Array();
}

const first: NewEvent = {
  subjectType: "url",
  subjectId: 42,
  version: 1,
  op: "created",
  atMs: Date.UTC(2026, 10, 22, 15, 53, 1, 123),
  previousHash: null,
  actor: vectors.actor,
  state: vectors.state,
};

describe("golden vectors, made by Python and openssl", () => {
  test("log key: admission key, signer key, verifier key", () => {
    expect(hex(key.admissionKey)).toBe(vectors.admission_key);
    expect(encodeLogKey(key)).toBe(vectors.signer_key);
    expect(encodeVerifierKey(key)).toBe(vectors.verifier_key);
    const parsed = parseLogKey(`${vectors.signer_key}\n`);
    expect([encodeLogKey(parsed), hex(parsed.admissionKey)]).toEqual([vectors.signer_key, vectors.admission_key]);
    const message = Buffer.from("a message");
    expect([
      key.verify(message, parsed.sign(message)),
      key.verify(Buffer.from("another"), parsed.sign(message)),
    ]).toEqual([true, false]);
  });

  test("disclosures and their digests", () => {
    const texts = [disclose("actor", vectors.actor, salt(0)), disclose("state", vectors.state, salt(16))];
    expect(texts).toEqual(vectors.disclosures);
    expect(texts.map(digestOf)).toEqual(vectors.digests);
  });

  test("a sealed event: leaf, leaf hash and tag", () => {
    const event = sealEvent(key, first, vectorSalts());
    expect(Buffer.from(event.leaf).toString()).toBe(vectors.events[0]?.leaf ?? "");
    expect(hex(event.leaf_hash)).toBe(vectors.events[0]?.leaf_hash ?? "");
    expect(hex(event.tag)).toBe(vectors.events[0]?.tag ?? "");
    expect([event.actor, event.state]).toEqual(vectors.disclosures);
    expect(event.user_id).toBe(1);
  });

  test("its successor carries its hash", () => {
    const previousHash = sealEvent(key, first, vectorSalts()).leaf_hash;
    const event = sealEvent(
      key,
      { ...first, version: 2, op: "updated", atMs: Date.UTC(2026, 10, 22, 15, 53, 2), previousHash },
      vectorSalts(),
    );
    expect(Buffer.from(event.leaf).toString()).toBe(vectors.events[1]?.leaf ?? "");
    expect(hex(event.leaf_hash)).toBe(vectors.events[1]?.leaf_hash ?? "");
    expect(hex(event.tag)).toBe(vectors.events[1]?.tag ?? "");
  });
});

test("leaf bytes are RFC 8785's canonical form, in ASCII (property, against another implementation)", () => {
  const digest = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => Buffer.from(bytes).toString("base64url"));
  fc.assert(
    fc.property(
      fc.record({
        subjectType: fc.constantFrom(...SUBJECTS.map(({ type }) => type)),
        subjectId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        version: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        op: fc.constantFrom(...EVENT_TYPES),
        atMs: fc.integer({ min: 0, max: 253_402_300_799_999 }),
        previousHash: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 })),
      }),
      digest,
      digest,
      (fields, one, two) => {
        const text = Buffer.from(encodeLeaf(fields, [one, two])).toString();
        expect(text).toBe(canonicalize(JSON.parse(text)) ?? "");
        expect(text).toMatch(/^[\x20-\x7e]+$/);
        // The order of the digests says nothing of which is which.
        expect(Buffer.from(encodeLeaf(fields, [two, one])).toString()).toBe(text);
      },
    ),
  );
});

describe("contradictionsOf()", () => {
  const sealed: EventRow = { id: 1, ...sealEvent(key, first, vectorSalts()) };

  test("finds nothing in a true event", () => {
    expect(contradictionsOf(key, openEvent(sealed), null)).toEqual([]);
  });

  test.each<[string, Partial<EventRow>]>([
    ["subject", { subject_id: 43 }],
    ["v in the leaf", { version: 2 }],
    ["op in the leaf", { op: "restored" }],
    ["at in the leaf", { at_ms: sealed.at_ms + 1 }],
    ["user_id", { user_id: 9 }],
    ["disclosure", { actor: sealed.actor?.replace("http", "ftp!") ?? null }],
    ["disclosure", { state: sealed.state?.replace("sale", "sole") ?? null }],
    ["user_id", { actor: null }],
    ["disclosure", { actor: sealed.state, state: sealed.actor }],
    ["tag", { tag: new Uint8Array(32) }],
    ["leaf hash", { leaf: Uint8Array.from([...sealed.leaf.slice(0, -1), 32]) }],
  ])("names a changed %s", (expected, change) => {
    expect(contradictionsOf(key, openEvent({ ...sealed, ...change }), null).join("; ")).toContain(expected);
  });

  test("takes an erased disclosure for what it is", () => {
    expect(contradictionsOf(key, openEvent({ ...sealed, actor: null, user_id: null }), null)).toEqual([]);
    expect(contradictionsOf(key, openEvent({ ...sealed, state: null }), null)).toEqual([]);
  });

  test("names a predecessor that is not the one it was written after", () => {
    expect(contradictionsOf(key, openEvent(sealed), new Uint8Array(32))).toEqual([
      "prev is not the hash of the version before",
    ]);
  });

  test("sees any flipped bit of what is stored (property)", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("leaf", "leaf_hash", "tag" as const),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        (field, at, bit) => {
          const bytes = Uint8Array.from(sealed[field as "leaf"]);
          const index = at % bytes.length;
          bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
          expect(contradictionsOf(key, openEvent({ ...sealed, [field]: bytes }), null)).not.toEqual([]);
        },
      ),
    );
  });

  test("an event tagged under another key is not ours", () => {
    const other = createLogKey(vectors.origin, new Uint8Array(32).fill(8));
    const forged = { ...sealed, tag: tagOf(other, hashLeaf(sealed.leaf)) };
    expect(contradictionsOf(key, openEvent(forged), null)).toEqual([
      "admission tag is false: the event was not written by this program",
    ]);
  });
});

describe("parseLogKey()", () => {
  test.each([
    "",
    "x",
    "PRIVATE+KEY+a+00000000+AAAA",
    vectors.signer_key.slice(0, -4),
    vectors.signer_key.replace("test", "tent"),
  ])("refuses %p without repeating it", (text) => {
    let message = "";
    try {
      parseLogKey(text);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toStartWith("log key:");
    expect(message).not.toContain(text.slice(-20) || "nothing");
  });

  test.each(["", "a b", "a+b", "ä", "a\nb", "x".repeat(201)])("createLogKey() refuses the origin %p", (origin) => {
    expect(() => createLogKey(origin, new Uint8Array(32))).toThrow("log origin");
  });
});
