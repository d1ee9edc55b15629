// Keys that are remembered for an outage: how long, how many, and what forgets them.

import { expect, test } from "bun:test";
import { KeyMemory } from "../../src/http/key-memory.ts";
import { LIMITS } from "../../src/limits.ts";

const key = { userId: 1, keyId: 7, expiresAtMs: null };

test("a change of the key or its user that is heard of forgets it at once, its creation does not", () => {
  const memory = new KeyMemory(60_000);
  const remember = () => memory.remember("hash", key, memory.changes);
  remember();
  memory.heardOf("key", 7, "created");
  memory.heardOf("user", 1, "imported");
  memory.heardOf("url", 7, "deleted");
  memory.heardOf("key", 8, "deleted");
  expect(memory.recall("hash", 0)).toMatchObject(key);
  memory.heardOf("key", 7, "deleted");
  expect(memory.recall("hash", 0)).toBeUndefined();
  remember();
  memory.heardOf("user", 1, "deleted");
  expect(memory.recall("hash", 0)).toBeUndefined();
});

test("what was asked before a change was heard of is not remembered; expiry and age are looked at each time", () => {
  const memory = new KeyMemory(60_000);
  const { changes } = memory;
  memory.heardOf("key", 9, "deleted");
  memory.remember("hash", key, changes);
  expect(memory.recall("hash", 0)).toBeUndefined();
  memory.remember("hash", { ...key, expiresAtMs: 1_000 }, memory.changes);
  expect([memory.recall("hash", 999)?.keyId, memory.recall("hash", 1_000)]).toEqual([7, undefined]);
  const brief = new KeyMemory(-1);
  brief.remember("hash", key, 0);
  expect(brief.recall("hash", 0)).toBeUndefined();
});

test("no more are held than is named, and those that were used last stay", () => {
  const memory = new KeyMemory(60_000);
  for (let number = 0; number <= LIMITS.rememberedKeys; number++)
    memory.remember(`hash ${number}`, key, memory.changes);
  expect([memory.recall("hash 0", 0), memory.recall("hash 1", 0)?.keyId]).toEqual([undefined, 7]);
});
