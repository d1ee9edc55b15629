// Which key a store was written with: no row that somebody inserts or damages by SQL can make the true one look false.

import { describe, expect, test } from "bun:test";
import { sealEvent } from "../../src/audit/event.ts";
import { createLogKey, encodeLogKey } from "../../src/audit/log-key.ts";
import { createStore, ENGINES, startServer, type TestServer, type TestStore, until } from "../support/harness.ts";
import { runDeadletter, startServe } from "../support/process.ts";

async function withLinks(run: (store: TestStore, server: TestServer) => Promise<void>, engine: "sqlite" | "postgres") {
  const store = await createStore(engine);
  const server = await startServer(store);
  for (const short_code of ["first", "second"])
    await server.call("POST", "/urls", { original_url: "https://a.b/", short_code });
  await run(store, server);
  store.remove();
}

/** One plain INSERT: an event whose hash is its leaf's, and whose tag is of another key. */
async function insertForged(store: TestStore): Promise<void> {
  const [last] = await store.query<{ subject_id: number; version: number; leaf_hash: Uint8Array }>(
    "select subject_id, version, leaf_hash from events order by id desc limit 1",
  );
  const actor = { user_id: null, key_id: null, via: "http", request_id: null, reason: null };
  const event = sealEvent(
    createLogKey("test.example/log", new Uint8Array(32).fill(8)),
    {
      subjectType: "url",
      subjectId: last?.subject_id ?? 0,
      version: 2,
      op: "updated",
      atMs: Date.now(),
      previousHash: new Uint8Array(last?.leaf_hash ?? []),
      actor,
      state: { id: last?.subject_id, title: "forged" },
    },
    (size) => new Uint8Array(size),
  );
  await store.tamper(
    `insert into events (subject_type, subject_id, version, op, at_ms, leaf, leaf_hash, tag, actor, state)
     values ('url', ${event.subject_id}, 2, 'updated', ${event.at_ms}, ${store.literal(event.leaf)},
             ${store.literal(event.leaf_hash)}, ${store.literal(event.tag)}, '${event.actor}', '${event.state}')`,
  );
}

describe.each([...ENGINES])("on %s", (engine) => {
  test("a forged newest event, guards on: verify names it and exits 6, serve starts and keeps it out of the log", () =>
    withLinks(async (store, server) => {
      await server.sequence();
      await server.close();
      await insertForged(store);
      await store.tamper(
        "insert into log_queue (event_id, generation) select max(id), (select max(generation) from store_generation) from events",
      );
      const { exitCode, stdout } = await runDeadletter(["verify"], store.environment);
      expect([exitCode, stdout]).toEqual([6, expect.stringContaining("(second): version 2: ")]);
      const served = await startServe(store.environment);
      await until("it is in quarantine", async () => {
        const [row] = await store.query<{ count: number | string }>("select count(*) as count from log_quarantine");
        return Number(row?.count) === 1;
      });
      served.child.kill("SIGTERM");
      expect(await served.child.exited).toBe(0);
    }, engine));

  test("one flipped byte of the newest tag: the same, before anything was ever signed", () =>
    withLinks(async (store, server) => {
      await server.close();
      await store.tamper(
        `update events set tag = ${store.literal(new Uint8Array(32))} where id = (select max(id) from events)`,
        { guardsOff: true },
      );
      const { exitCode, stdout } = await runDeadletter(["verify"], store.environment);
      expect([exitCode, stdout]).toEqual([6, expect.stringContaining("(second): version 1: admission tag is false")]);
      const served = await startServe(store.environment);
      expect((await fetch(`${served.url}/second`, { redirect: "manual" })).status).toBe(302);
      served.child.kill("SIGTERM");
      expect(await served.child.exited).toBe(0);
    }, engine));

  test("another key: serve does not start with it, and verify says so first", () =>
    withLinks(async (store, server) => {
      await server.sequence();
      await server.close();
      const other = encodeLogKey(createLogKey("other.example/log", new Uint8Array(32).fill(9)));
      const environment = { ...store.environment, DEADLETTER_LOG_KEY: other };
      expect(await startServe(environment).catch(String)).toContain(
        "the log key other.example/log is not the one that",
      );
      const { exitCode, stdout } = await runDeadletter(["verify"], environment);
      expect([exitCode, stdout]).toEqual([6, expect.stringMatching(/^FALSE log key: the log key other\.example/)]);
    }, engine));
});
