// What only the embedded store can run into: a write-ahead log that is never let rest, a file that is taken away, reads that scan.

import { describe, expect, test } from "bun:test";
import { linkSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/runtime/clock.ts";
import { openSqlite } from "../../src/store/sqlite.ts";
import { createStore, startServer, until } from "../support/harness.ts";
import { startServe } from "../support/process.ts";

const MIB = 2 ** 20;

describe("the write-ahead log", () => {
  test("stays below twice its named size under writers that never pause, and begins anew while they write", async () => {
    const store = await createStore("sqlite");
    // The least there is; at the default of 64 MiB the same takes 45 s (bench/wal.ts).
    const served = await startServe({ ...store.environment, DEADLETTER_WAL_MEGABYTES: "4" });
    const headers = { authorization: `Bearer ${served.key}`, "content-type": "application/json" };
    const wal = join(store.config.dataDir, "deadletter.db-wal");
    let made = 0;
    let largest = 0;
    const clients = Array.from({ length: 8 }, async () => {
      while (made < 4_000) {
        const body = JSON.stringify({ original_url: `https://example.com/${made}` });
        const { status } = await fetch(`${served.url}/urls`, { method: "POST", headers, body });
        expect(status).toBe(201);
        made += 1;
        largest = Math.max(largest, statSync(wal).size);
      }
    });
    await Promise.all(clients);
    // Some 25 KB each were written: many times what is allowed.
    expect(largest / MIB).toBeLessThanOrEqual(8);
    const metrics = await (await fetch(`${served.url}/metrics`, { headers })).text();
    expect(Number(/^deadletter_sqlite_wal_bytes (\d+)$/m.exec(metrics)?.[1])).toBeLessThan(8 * MIB);
    expect(metrics).toContain("\ndeadletter_sqlite_wal_held 0\n");
    served.child.kill("SIGTERM");
    expect(await served.child.exited).toBe(0);
    store.remove();
  }, 120_000);

  test("grows only while somebody reads an older state, says so, and shrinks when they have done", async () => {
    const testStore = await createStore("sqlite");
    const server = await startServer(testStore);
    await server.close();
    const store = await openSqlite(join(testStore.config.dataDir, "deadletter.db"), {
      deadlineMs: 5_000,
      walBytes: MIB,
      clock: systemClock,
    });
    await store.startBackground();
    const write = (number: number) =>
      store.begin((tx) => tx`insert into click_batches (id) values (${`${"x".repeat(20_000)}${number}`})`);
    const reading = Promise.withResolvers<void>();
    const reader = store.snapshot(async (sql) => {
      await sql`select count(*) from urls`;
      await reading.promise;
    });
    let number = 0;
    await until("it is held", async () => {
      await write(number++);
      return store.wal()?.isHeld === true && (store.wal()?.bytes ?? 0) > 2 * MIB;
    });
    reading.resolve();
    await reader;
    await until("it is let go", async () => {
      await write(number++);
      return store.wal()?.isHeld === false && (store.wal()?.bytes ?? MIB) < MIB;
    });
    await store.close();
    testStore.remove();
  }, 60_000);
});

describe("a file that is taken away while it is served", () => {
  test.each(["removed", "replaced"])("%s: not ready, changes refused, an alarm; known links go on", async (how) => {
    const store = await createStore("sqlite");
    const served = await startServe(store.environment);
    const call = (method: string, path: string, body?: object) =>
      fetch(served.url + path, {
        method,
        redirect: "manual",
        headers: { authorization: `Bearer ${served.key}`, "content-type": "application/json" },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    const link = { original_url: "https://example.com/", short_code: "known" };
    expect((await call("POST", "/urls", link)).status).toBe(201);
    expect((await call("GET", "/known")).status).toBe(302);
    const file = join(store.config.dataDir, "deadletter.db");
    if (how === "replaced") {
      linkSync(file, `${file}.moved`);
      await Bun.write(`${file}.new`, "");
      renameSync(`${file}.new`, file);
    } else renameSync(file, `${file}.moved`);
    await until("it is not ready", async () => (await call("GET", "/readyz")).status === 503, 2_000);
    const ready = (await (await call("GET", "/readyz")).json()) as { checks: object };
    expect(ready.checks).toMatchObject({ storage: { ok: false } });
    const refused = await call("POST", "/urls", { original_url: "https://example.com/lost" });
    expect([refused.status, await refused.text()]).toEqual([503, expect.stringContaining(`was ${how}`)]);
    expect((await call("GET", "/known")).status).toBe(302);
    await until("an alarm is raised", async () =>
      /^deadletter_log_alarms_total\{kind="lost"\} 1$/m.test(await (await call("GET", "/metrics")).text()),
    );
    renameSync(`${file}.moved`, file);
    served.child.kill("SIGTERM");
    await served.child.exited;
    store.remove();
  });
});

test("reads that scan run beside redirects, and one that takes too long ends without stopping anybody", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store, { DEADLETTER_DATABASE_DEADLINE_MS: "1000" });
  await server.deadletter.start();
  await store.tamper(
    `insert into urls (id, short_code, original_url, title, is_active, created_at_ms, updated_at_ms, version, head)
     with recursive n(i) as (select 1000 union all select i + 1 from n where i < 61000)
     select i, 'c-' || i, 'https://example.com/' || i, 'a title of some length ' || i, 1, i, i, 1, zeroblob(32) from n`,
    { guardsOff: true },
  );
  // While a search runs, the event loop turns: nothing waits for its end.
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  const searches = Array.from({ length: 4 }, () => server.call("GET", "/urls?q=zzz-is-in-none"));
  setImmediate(count);
  const answers = await Promise.all(searches);
  isOver = true;
  expect(answers.map(({ status, json }) => [status, json.length])).toEqual([
    [200, 0],
    [200, 0],
    [200, 0],
    [200, 0],
  ]);
  expect(turns).toBeGreaterThan(100);
  expect((await server.call("GET", "/urls?q=c-60999")).json).toHaveLength(1);

  const { scan } = server.deadletter.core.store;
  // Some 3 s of work, with a deadline of 1 s.
  const long = scan(
    (sql) =>
      sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000000) select max(i) from n`,
  );
  const behind = scan((sql) => sql<{ one: number }>`select 1 as one`);
  for (const late of [long, behind]) expect(await late.catch(String)).toContain("the database did not answer in time");
  // Lists without a filter need no scan.
  expect((await server.call("GET", "/urls")).status).toBe(200);
  await until("the thread has done and takes the next", async () => {
    const rows = await scan((sql) => sql<{ one: number }>`select 1 as one`).catch(() => []);
    return rows[0]?.one === 1;
  });
  await server.close();
  store.remove();
}, 60_000);
