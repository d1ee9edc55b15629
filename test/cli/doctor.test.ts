// doctor finds what is set up wrong, says what to do, and changes nothing.

import { afterEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStore, startServer, type TestStore } from "../support/harness.ts";
import { createAdmin, runDeadletter } from "../support/process.ts";

interface Found {
  readonly check: string;
  readonly verdict: string;
  readonly detail: string;
  readonly remedy: string | null;
}

const stores: TestStore[] = [];
afterEach(() => {
  for (const store of stores.splice(0)) store.remove();
});

async function newStore(engine: "sqlite" | "postgres"): Promise<TestStore> {
  const store = await createStore(engine);
  stores.push(store);
  return store;
}

async function examine(environment: Record<string, string>, ...words: string[]) {
  const { exitCode, stdout } = await runDeadletter(["doctor", "--json", ...words], environment);
  const found = JSON.parse(stdout) as Found[];
  return {
    exitCode,
    found,
    of: (check: string) => found.filter((each) => each.check === check),
    ill: found.filter(({ verdict }) => verdict !== "ok").map(({ check, verdict }) => `${check} ${verdict}`),
  };
}

test("a store that is as it should be is well, and every remedy is one where there is something to do", async () => {
  const store = await newStore("sqlite");
  await createAdmin(store.environment);
  const { exitCode, ill, found } = await examine(store.environment);
  // A test's file system may be full, and its limits low; nothing else.
  expect(ill.filter((each) => !/^(disk|file limit) /.test(each))).toEqual([]);
  expect([exitCode, found.length]).toEqual([0, expect.any(Number)]);
  for (const { verdict, remedy } of found) expect(verdict === "ok").toBe(remedy === null);
});

test("secrets that others may read, and a data directory that others may look into", async () => {
  const store = await newStore("sqlite");
  await createAdmin(store.environment);
  const folder = store.environment.DEADLETTER_DATA_DIR ?? "";
  chmodSync(folder, 0o755);
  expect((await examine(store.environment)).of("permissions")).toMatchObject([{ verdict: "warning" }]);
  chmodSync(join(folder, "deadletter.db"), 0o644);
  const { exitCode, of } = await examine(store.environment);
  expect([exitCode, of("permissions")]).toMatchObject([
    1,
    [{ verdict: "failed", remedy: expect.stringContaining("chmod 600") }],
  ]);
});

test("a store that is not there, and one of an earlier release, and nothing is made or migrated", async () => {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-doctor-"));
  const nowhere = await examine({ DEADLETTER_DATA_DIR: join(folder, "none") });
  expect([nowhere.exitCode, nowhere.of("database")]).toMatchObject([
    1,
    [{ verdict: "failed", detail: expect.stringContaining("no store") }],
  ]);
  expect(existsSync(join(folder, "none"))).toBe(false);
  rmSync(folder, { recursive: true });

  const store = await newStore("sqlite");
  await createAdmin(store.environment);
  await store.tamper("update store_generation set generation = 1", { guardsOff: true });
  expect((await examine(store.environment)).of("schema")).toMatchObject([
    { verdict: "warning", remedy: expect.stringContaining("--finalize") },
  ]);
});

test("a database that is down, or does not write through to its disk", async () => {
  const store = await newStore("postgres");
  await createAdmin(store.environment);
  // That of the tests is quick, and loses what a crash interrupts.
  expect((await examine(store.environment)).of("durability")).toMatchObject([
    { verdict: "failed", detail: expect.stringContaining("fsync off") },
  ]);
  const down = await examine({ ...store.environment, DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" });
  expect([down.exitCode, down.of("database")]).toMatchObject([1, [{ verdict: "failed" }]]);
});

test("from afar: a server that is ready, a key that expires soon, none at all, and a server that is not there", async () => {
  const store = await newStore("sqlite");
  const server = await startServer(store);
  const remote = { DEADLETTER_SERVER: server.listeners.apiUrl };
  const soon = new Date(Date.now() + 86_400_000).toISOString();
  const { key } = (
    await server.call("POST", `/users/${server.adminId}/keys`, { name: "soon", role: "reader", expires_at: soon })
  ).json;
  const expiring = await examine({ ...remote, DEADLETTER_KEY: key });
  expect(expiring.of("key")).toMatchObject([{ verdict: "warning", detail: expect.stringContaining("expires in 2") }]);
  expect(expiring.exitCode).toBe(0);
  expect((await examine(remote)).of("key")).toMatchObject([
    { verdict: "warning", detail: expect.stringContaining("none is set") },
  ]);
  expect((await examine({ ...remote, DEADLETTER_KEY: "dl_wrong" })).of("key")).toMatchObject([{ verdict: "failed" }]);
  await server.close();
  const gone = await examine({ ...remote, DEADLETTER_KEY: key });
  expect([gone.exitCode, gone.of("readiness")]).toMatchObject([1, [{ verdict: "failed" }]]);
});
