// Keys that are remembered for an outage: how long, how many, and what forgets them.

import { expect, test } from "bun:test";
import { KeyMemory } from "../../src/http/key-memory.ts";
import { LIMITS } from "../../src/limits.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { createStore, startServer } from "../support/harness.ts";

const key = { userId: 1, keyId: 7, role: "reader", expiresAtMs: null } as const;

test("a change of the key or its user that is heard of forgets it at once, its creation does not", () => {
  const memory = new KeyMemory(60_000, systemClock);
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
  const memory = new KeyMemory(60_000, systemClock);
  const { changes } = memory;
  memory.heardOf("key", 9, "deleted");
  memory.remember("hash", key, changes);
  expect(memory.recall("hash", 0)).toBeUndefined();
  memory.remember("hash", { ...key, expiresAtMs: 1_000 }, memory.changes);
  expect([memory.recall("hash", 999)?.keyId, memory.recall("hash", 1_000)]).toEqual([7, undefined]);
  const brief = new KeyMemory(-1, systemClock);
  brief.remember("hash", key, 0);
  expect(brief.recall("hash", 0)).toBeUndefined();
});

test("no more are held than is named, and those that were used last stay", () => {
  const memory = new KeyMemory(60_000, systemClock);
  for (let number = 0; number <= LIMITS.rememberedKeys; number++)
    memory.remember(`hash ${number}`, key, memory.changes);
  expect([memory.recall("hash 0", 0), memory.recall("hash 1", 0)?.keyId]).toEqual([undefined, 7]);
});

test("is believed before a change only while this process hears of what is committed", () => {
  let isHeard = true;
  const memory = new KeyMemory(60_000, systemClock, () => isHeard);
  memory.remember("hash", key, memory.changes);
  expect(memory.recallHeard("hash", 0)).toMatchObject(key);
  isHeard = false;
  expect(memory.recallHeard("hash", 0)).toBeUndefined();
  expect(memory.recall("hash", 0)).toMatchObject(key);
});

test("a key that another replica has just revoked makes no link here, heard of or not", async () => {
  const store = await createStore("postgres");
  const [one, two] = [await startServer(store), await startServer(store)];
  const call: typeof one.call = (method, path, body, options) =>
    two.call(method, path, body, { key: one.adminKey, ...options });
  await one.deadletter.start();
  const { id } = (await call("POST", "/users", { username: "ada", email: "ada@example.com" })).json;
  const made: number[] = [];
  for (let round = 0; round < 20; round++) {
    const key = (await call("POST", `/users/${id}/keys`, { name: "k", role: "creator" })).json;
    const create = async () => {
      const { status } = await one.call("POST", "/urls", { original_url: "https://a.b/" }, { key: key.key });
      made.push(status);
    };
    await create();
    await create();
    expect((await call("DELETE", `/users/${id}/keys/${key.id}`)).status).toBe(200);
    await create();
    expect(made.splice(0)).toEqual([201, 201, 401]);
  }
  expect(await one.verify()).toEqual([]);
  await two.close();
  await one.close();
  store.remove();
});
