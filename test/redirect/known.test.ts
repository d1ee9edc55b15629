// What a replica knows of links without asking: what it has followed, what it has changed, what is hot elsewhere.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readUsableWarmSet } from "../../src/app/redirects.ts";
import { loadConfig } from "../../src/config/load.ts";
import { LIMITS } from "../../src/limits.ts";
import { SYSTEM } from "../../src/runtime/outside.ts";
import { forgetHotLinks, nameHotLinks } from "../../src/store/queries/hot-links.ts";
import { createStore, newEnvironment, startServer, TEST_LOG_KEY, until } from "../support/harness.ts";
import { type Cluster, startCluster } from "../support/postgres.ts";
import { createAdmin, type Served, startServe } from "../support/process.ts";

/** For the record: KNOWN_LINKS=40 RESTARTS=5 RESTART_MS=6000. */
const LINKS = Number(process.env.KNOWN_LINKS ?? 12);
const RESTARTS = Number(process.env.RESTARTS ?? 3);
const RESTART_MS = Number(process.env.RESTART_MS ?? 0);

describe("two replicas whose database is restarted again and again under changes", () => {
  let cluster: Cluster;
  let replicas: Served[];
  let key: string;
  const environments = [newEnvironment("to-be-set"), newEnvironment("to-be-set")];
  beforeAll(async () => {
    cluster = await startCluster();
    for (const environment of environments)
      Object.assign(environment, { DATABASE_URL: cluster.url, LOG_LEVEL: "error", DEADLETTER_CACHE_OUTAGE: "10m" });
    replicas = [await startServe(environments[0] ?? {}), await startServe(environments[1] ?? {})];
    key = await createAdmin(environments[0] ?? {});
  });
  afterAll(async () => {
    for (const { child } of replicas) child.kill("SIGKILL");
    await cluster.remove();
    for (const { DEADLETTER_DATA_DIR } of environments) rmSync(DEADLETTER_DATA_DIR, { recursive: true, force: true });
  });

  const call = (replica: number, method: string, path: string, body?: object) =>
    fetch((replicas[replica]?.url ?? "") + path, {
      method,
      redirect: "manual",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });

  test("no link that was followed before answers 503, on either", async () => {
    for (let link = 0; link < LINKS; link++)
      await call(0, "POST", "/urls", { original_url: `https://example.com/${link}/0`, short_code: `hot-${link}` });
    for (let link = 0; link < LINKS; link++)
      for (const replica of [0, 1]) expect((await call(replica, "GET", `/hot-${link}`)).status).toBe(302);
    let isOver = false;
    let [changes, redirects] = [0, 0];
    const wrong: string[] = [];
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let step = writer; !isOver; step++) {
        const body = { original_url: `https://example.com/${step % LINKS}/${step}` };
        const answer = await call(step % 2, "PUT", `/urls/hot-${step % LINKS}`, body);
        if (answer.status === 200) changes += 1;
        else if (answer.status !== 503) wrong.push(`PUT ${answer.status}`);
      }
    });
    const readers = Array.from({ length: 8 }, async (_, reader) => {
      for (let step = reader; !isOver; step++) {
        const answer = await call(step % 2, "GET", `/hot-${step % LINKS}`);
        redirects += 1;
        if (
          answer.status !== 302 ||
          !answer.headers.get("location")?.startsWith(`https://example.com/${step % LINKS}/`)
        )
          wrong.push(`GET ${answer.status}`);
      }
    });
    for (let round = 0; round < RESTARTS; round++) {
      const before = changes;
      await until("changes are made", () => changes > before + 100, 20_000);
      await Bun.sleep(RESTART_MS);
      await cluster.kill();
      const during = redirects;
      await until("redirects go on", () => redirects > during + 200, 20_000);
      await cluster.start();
    }
    isOver = true;
    await Promise.all([...writers, ...readers]);
    expect(wrong).toEqual([]);
    expect(redirects).toBeGreaterThan(1_000);
    console.log(
      `      ${LINKS} links, ${RESTARTS} restarts: ${changes} changes, ${redirects} redirects, ${wrong.length} wrong`,
    );
  }, 120_000);
});

test("a replica that is cold learns what is hot elsewhere while the database is up, and keeps it", async () => {
  const store = await createStore("postgres");
  const first = await startServe(store.environment);
  const key = await createAdmin(store.environment);
  for (const code of ["hot-one", "hot-two"]) {
    await fetch(`${first.url}/urls`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ original_url: "https://example.com/", short_code: code }),
    });
    expect((await fetch(`${first.url}/${code}`, { redirect: "manual" })).status).toBe(302);
  }
  // What the first one tells each minute.
  await store.tamper("insert into hot_links (url_id, used_at_ms) select id, 1 from urls");
  first.child.kill("SIGTERM");
  await first.child.exited;
  const elsewhere = { ...store.environment, DEADLETTER_DATA_DIR: mkdtempSync(join(tmpdir(), "deadletter-cold-")) };
  const second = await startServe(elsewhere);
  const links = async () => {
    const headers = { authorization: `Bearer ${key}` };
    return /^deadletter_cache_entries\{kind="link"\} (\d+)$/m.exec(
      await (await fetch(`${second.url}/metrics`, { headers })).text(),
    )?.[1];
  };
  await until("it has learned them", async () => (await links()) === "2");
  second.child.kill("SIGTERM");
  await second.child.exited;
  // Its own file has them: another start knows them with no database at all.
  const third = await startServe({ ...elsewhere, DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" });
  expect((await fetch(`${third.url}/hot-two`, { redirect: "manual" })).status).toBe(302);
  third.child.kill("SIGTERM");
  await third.child.exited;
  rmSync(elsewhere.DEADLETTER_DATA_DIR, { recursive: true, force: true });
  store.remove();
}, 60_000);

test("hot links are told in the store, a bounded number, and not again while that is fresh", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  const { begin } = server.deadletter.core.store;
  const name = (url_id: number, used_at_ms: number) =>
    begin((tx) => nameHotLinks(tx, [{ url_id, used_at_ms }], LIMITS.hotFreshMs));
  for (let id = 1; id <= 5; id++) await name(id, id * 1_000);
  await name(5, 6_000);
  await name(4, 4_000 + LIMITS.hotFreshMs + 1);
  await begin((tx) => forgetHotLinks(tx, 3));
  expect(await store.query("select url_id, used_at_ms from hot_links order by url_id")).toEqual([
    { url_id: 3, used_at_ms: 3_000 },
    { url_id: 4, used_at_ms: 4_000 + LIMITS.hotFreshMs + 1 },
    { url_id: 5, used_at_ms: 5_000 },
  ]);
  await server.close();
  store.remove();
});

test("a warm set from the future is bound by an outage like any other", () => {
  const dataDir = mkdtempSync(join(tmpdir(), "deadletter-warm-"));
  const { config } = loadConfig({ DEADLETTER_DATA_DIR: dataDir, DEADLETTER_CACHE_OUTAGE: "1m" });
  const file = join(dataDir, "warm-links");
  const write = (heard_at_ms: unknown) =>
    writeFileSync(
      file,
      `${JSON.stringify({ origin: TEST_LOG_KEY.origin, next: 1, heard_at_ms })}\n["abc",1,null,"https://a.b/"]\n`,
    );
  write(Date.now() + 365 * 86_400_000);
  const warm = readUsableWarmSet(config, TEST_LOG_KEY.origin, SYSTEM);
  expect(warm?.heard_at_ms).toBeLessThanOrEqual(Date.now());
  expect(warm?.links).toHaveLength(1);
  write(Date.now() - 120_000);
  expect(readUsableWarmSet(config, TEST_LOG_KEY.origin, SYSTEM)).toBeUndefined();
  write("soon");
  expect(readUsableWarmSet(config, TEST_LOG_KEY.origin, SYSTEM)).toBeUndefined();
  rmSync(dataDir, { recursive: true, force: true });
});
