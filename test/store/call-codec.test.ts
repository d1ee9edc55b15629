// The form in which two threads talk of statements and rows: whatever goes in comes out.

import { expect, test } from "bun:test";
import { LIMITS } from "../../src/limits.ts";
import {
  type Answers,
  type Call,
  decodeAnswers,
  decodeCalls,
  encodeAnswers,
  encodeCalls,
} from "../../src/store/call-codec.ts";
import type { Value } from "../../src/store/store.ts";

/** Views of a buffer, so that they compare with what was encoded. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}

const VALUES: readonly Value[] = [
  null,
  0,
  -0,
  1.5,
  -1,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  "",
  "a",
  "ä \u0000 \u2028 \u{1f517} '\"\\",
  new Uint8Array(),
  new Uint8Array([0, 255, 128]),
  Buffer.from("a view into a larger buffer").subarray(2, 6),
];

test("calls come out as they went in", () => {
  const calls: Call[] = [
    { kind: "run", text: "begin immediate" },
    { kind: "all", isInside: true, text: "select ?", values: VALUES },
    { kind: "all", isInside: false, text: "select 1", values: [] },
    { kind: "each", text: "insert into a values (?)", rows: [VALUES, VALUES.toReversed()] },
    { kind: "each", text: "none", rows: [] },
    { kind: "abandon" },
    { kind: "close" },
  ];
  expect(plain(decodeCalls(encodeCalls(calls)))).toEqual(plain(calls));
  expect(decodeCalls(encodeCalls([]))).toEqual([]);
});

test("answers come out as they went in", () => {
  const rows = VALUES.map((value, at) => ({ "a name": value, idx: at, leaf_hash: new Uint8Array(32).fill(at) }));
  const answers: Answers = {
    results: [
      undefined,
      rows,
      [],
      { message: "UNIQUE constraint failed: ä", errno: 2_067 },
      { message: "", errno: undefined },
    ],
    inTransaction: true,
  };
  expect(plain(decodeAnswers(encodeAnswers(answers)))).toEqual(plain(answers));
  expect(decodeAnswers(encodeAnswers({ results: [], inTransaction: false }))).toEqual({
    results: [],
    inTransaction: false,
  });
});

test("a message may be of any size, and leaves nothing of itself in the next", () => {
  for (const length of [LIMITS.threadMessageBytes, LIMITS.threadMessageMostBytes, 3]) {
    const values = ["\u{1f517}".repeat(length), "é".repeat(length), new Uint8Array(length).fill(7), length];
    const [call] = decodeCalls(encodeCalls([{ kind: "each", text: "t", rows: [values] }]));
    const [row] = (call as Extract<Call, { kind: "each" }>).rows;
    expect(row?.map((value) => (typeof value === "object" ? value?.length : value)).slice(1)).toEqual([
      values[1] as string,
      length,
      length,
    ]);
    expect(row?.[0] === values[0]).toBe(true);
  }
});
