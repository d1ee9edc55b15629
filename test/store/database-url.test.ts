// How PostgreSQL is reached: libpq's words for hosts and encryption, against real servers with and without TLS.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { describeProtection, isExposed, parseDatabaseUrl, placeOf } from "../../src/config/database-url.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { openPostgres } from "../../src/store/postgres.ts";
import { newEnvironment, until } from "../support/harness.ts";
import { type Cluster, freePort, startCluster } from "../support/postgres.ts";
import { createAdmin, runDeadletter, startServe } from "../support/process.ts";

const TLS = join(import.meta.dir, "../support/tls");

describe("an address", () => {
  test.each<[string, object]>([
    [
      "postgres://ada@db/links",
      { hosts: [{ host: "db", port: 5432 }], user: "ada", database: "links", sslMode: "disable" },
    ],
    [
      "postgresql://ada:p%40ss:word@a:1,b:2/links?target_session_attrs=read-write",
      {
        hosts: [
          { host: "a", port: 1 },
          { host: "b", port: 2 },
        ],
        password: "p@ss:word",
        targetSessionAttrs: "read-write",
      },
    ],
    [
      "postgres://[::1]:6000,[fd00::2]/x",
      {
        hosts: [
          { host: "::1", port: 6000 },
          { host: "fd00::2", port: 5432 },
        ],
      },
    ],
    ["postgres://u:p@ss@h/db", { hosts: [{ host: "h", port: 5432 }], user: "u", password: "p@ss" }],
    ["postgres://h/?user=u&password=p&dbname=d", { user: "u", password: "p", database: "d", parameters: {} }],
    ["postgres:///x?host=/run/postgresql&port=5433", { hosts: [{ host: "/run/postgresql", port: 5433 }] }],
    ["postgres://db/x?sslmode=verify-full&sslrootcert=ca.crt", { sslMode: "verify-full", sslRootCert: "ca.crt" }],
    [
      "postgres://db/x?ssl=require&options=-c%20work_mem%3D1MB",
      { sslMode: "require", parameters: { options: "-c work_mem=1MB" } },
    ],
    ["postgres://db/x?channel_binding=prefer&application_name=me", { parameters: { application_name: "me" } }],
  ])("%s is read", (text, expected) => {
    expect(parseDatabaseUrl(text)).toMatchObject(expected);
  });

  test.each([
    "mysql://db/x",
    "postgres://db:99999/x",
    "postgres://a:b:c@d:e/x",
    "postgres://db/x?sslmode=maybe",
    "postgres://db/x?target_session_attrs=any-old",
    "postgres://u:%zz@db/x",
    "postgres://[::1/x",
  ])("%s is refused without being repeated", (text) => {
    try {
      parseDatabaseUrl(text);
      throw new Error("it was read");
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      expect(String(error)).not.toContain(text);
    }
  });

  test.each<[string, string, boolean]>([
    ["postgres://db/x", "in the clear", true],
    ["postgres://127.0.0.1/x", "in the clear", false],
    ["postgres:///x?host=/run/postgresql", "in the clear", false],
    ["postgres://db/x?sslmode=prefer", "encrypted where the server can, not verified", true],
    ["postgres://db/x?sslmode=require", "encrypted, not verified", false],
    ["postgres://db/x?sslmode=verify-ca", "encrypted, its authority verified", false],
    ["postgres://localhost,db/x?sslmode=disable", "in the clear", true],
    ["postgres://db/x?sslmode=verify-full", "encrypted and verified", false],
  ])("%s is %s", (text, protection, exposed) => {
    const address = parseDatabaseUrl(text);
    expect([describeProtection(address), isExposed(address)]).toEqual([protection, exposed]);
    expect(placeOf(address)).not.toContain("?");
  });
});

describe("a server", () => {
  let tls: Cluster;
  let readOnly: Cluster;
  beforeAll(async () => {
    [tls, readOnly] = await Promise.all([
      startCluster({ isTls: true }),
      startCluster({ flags: ["-c", "default_transaction_read_only=on"] }),
    ]);
  });
  afterAll(async () => {
    await tls.remove();
    await readOnly.remove();
  });

  const portOf = (cluster: Cluster) => new URL(cluster.url).port;
  const encryption = async (host: string, query: string) => {
    const url = `postgres://postgres:test-only@${host}:${portOf(tls)}/postgres?${query}`;
    const store = await openPostgres(url, { poolSize: 1, deadlineMs: 3_000, isPooled: false, clock: systemClock });
    try {
      const [row] = await store.read(
        (sql) => sql<{ ssl: boolean }>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`,
      );
      return row?.ssl;
    } catch {
      return "refused";
    } finally {
      await store.close();
    }
  };

  test.each<[string, string, boolean | string]>([
    ["localhost", "sslmode=disable", false],
    ["localhost", "", false],
    ["localhost", "sslmode=prefer", true],
    ["localhost", "sslmode=require", true],
    ["127.0.0.1", "sslmode=require", true],
    ["localhost", `sslmode=require&sslrootcert=${TLS}/other-ca.crt`, "refused"],
    ["localhost", "sslmode=verify-full", "refused"],
    ["localhost", `sslmode=verify-full&sslrootcert=${TLS}/ca.crt`, true],
    ["localhost", `sslrootcert=${TLS}/ca.crt`, true],
    ["localhost", `sslmode=verify-full&sslrootcert=${TLS}/other-ca.crt`, "refused"],
    // The certificate is localhost's.
    ["127.0.0.1", `sslmode=verify-full&sslrootcert=${TLS}/ca.crt`, "refused"],
    ["127.0.0.1", `sslmode=verify-ca&sslrootcert=${TLS}/ca.crt`, true],
    ["127.0.0.1", `sslmode=verify-ca&sslrootcert=${TLS}/other-ca.crt`, "refused"],
  ])("at %s with %s: encrypted %p", async (host, query, expected) => {
    expect(await encryption(host, query)).toBe(expected);
  });

  test("that offers no TLS is used in the clear only where that was asked for", async () => {
    const open = (mode: string) =>
      openPostgres(`${readOnly.url}?sslmode=${mode}`, {
        poolSize: 1,
        deadlineMs: 3_000,
        isPooled: false,
        clock: systemClock,
      });
    const preferring = await open("prefer");
    expect(await preferring.read((sql) => sql<{ one: number }>`select 1 as one`)).toEqual([{ one: 1 }]);
    await preferring.close();
    const requiring = await open("require");
    expect(await requiring.read((sql) => sql`select 1`).catch(String)).toContain("the database");
    await requiring.close();
  });

  test("config and the start say how it is protected, and never the password", async () => {
    const query = `sslmode=verify-full&sslrootcert=${TLS}/ca.crt`;
    const url = `postgres://postgres:test-only@localhost:${portOf(tls)}/postgres?${query}`;
    const environment = newEnvironment(url);
    const served = await startServe(environment);
    expect(served.greeting).toContain(`from localhost:${portOf(tls)}/postgres, encrypted and verified\n`);
    served.child.kill("SIGTERM");
    expect(await served.child.exited).toBe(0);
    const { stdout } = await runDeadletter(["config"], environment);
    expect(stdout).toContain("postgres:hidden@localhost");
    expect(stdout).toContain("(encrypted and verified)");
    expect(stdout).not.toContain("test-only");
    const missing = { ...environment, DATABASE_URL: url.replace("ca.crt", "none.crt") };
    expect(await startServe(missing).catch(String)).toContain("cannot read sslrootcert");
    rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
  });

  test("one of several is found: past one that is away, and past one that takes no changes", async () => {
    const hosts = `127.0.0.1:${await freePort()},127.0.0.1:${portOf(readOnly)},127.0.0.1:${portOf(tls)}`;
    const url = `postgres://postgres:test-only@${hosts}/postgres?target_session_attrs=read-write`;
    const environment = newEnvironment(url);
    const served = await startServe(environment);
    const key = await createAdmin(environment);
    const made = await fetch(`${served.url}/urls`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ original_url: "https://example.com/" }),
    });
    expect(made.status).toBe(201);
    served.child.kill("SIGTERM");
    expect(await served.child.exited).toBe(0);
    const flag = await runDeadletter(["list", "--database-url", url], newEnvironment(undefined));
    expect([flag.exitCode, flag.stderr]).toEqual([2, expect.stringContaining("must not contain a password")]);
    rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
  });
});

test("a server that is not up yet is waited for as long as that was asked for, and no longer", async () => {
  const cluster = await startCluster();
  const key = `dl_${"k".repeat(40)}`;
  const environment = newEnvironment(cluster.url, { DEADLETTER_ADMIN_KEY: key });
  await cluster.kill();
  const startedMs = performance.now();
  expect(await startServe(environment, ["--wait-for-database", "1s"]).catch(String)).toContain("ended with 7");
  expect(performance.now() - startedMs).toBeGreaterThan(1_000);
  const starting = startServe(environment, ["--wait-for-database", "60s"]);
  await Bun.sleep(1_000);
  await cluster.start();
  const served = await starting;
  // Whoever is told that it is ready may use the key that was configured.
  expect((await fetch(`${served.url}/whoami`, { headers: { "x-api-key": key } })).status).toBe(200);
  served.child.kill("SIGTERM");
  expect(await served.child.exited).toBe(0);
  await cluster.remove();
  rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
}, 60_000);

test("the key that was configured works from the first moment the server is ready", async () => {
  const cluster = await startCluster();
  const key = `dl_${"k".repeat(40)}`;
  for (let round = 0; round < 3; round++) {
    const port = await freePort();
    const environment = newEnvironment(cluster.url, { DEADLETTER_ADMIN_KEY: key, PORT: String(port) });
    const url = `http://127.0.0.1:${port}`;
    const starting = startServe(environment);
    await until("it is ready", async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200);
    expect((await fetch(`${url}/whoami`, { headers: { "x-api-key": key } })).status).toBe(200);
    const served = await starting;
    served.child.kill("SIGTERM");
    expect(await served.child.exited).toBe(0);
    rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
    const sql = postgres(cluster.url, { max: 1, onnotice: () => {} });
    await sql.unsafe("drop schema public cascade; create schema public");
    await sql.end();
  }
  await cluster.remove();
}, 60_000);

test("backends that are terminated under load leave no uncaught error and no half-made change", async () => {
  const cluster = await startCluster();
  const environment = newEnvironment(cluster.url);
  const served = await startServe(environment);
  const headers = { authorization: `Bearer ${await createAdmin(environment)}`, "content-type": "application/json" };
  const sql = postgres(cluster.url, { max: 1, onnotice: () => {} });
  let isOver = false;
  let made = 0;
  const writers = Array.from({ length: 16 }, async () => {
    while (!isOver) {
      const body = JSON.stringify({ original_url: `https://example.com/${made}` });
      const { status } = await fetch(`${served.url}/urls`, { method: "POST", headers, body });
      expect(status).toBeOneOf([201, 503]);
      if (status === 201) made += 1;
    }
  });
  for (let round = 0; round < 25; round++) {
    const before = made;
    await until("changes are made", () => made > before + 5, 20_000);
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
              where datname = current_database() and pid <> pg_backend_pid()`;
  }
  isOver = true;
  await Promise.all(writers);
  await until("it answers", async () => (await fetch(`${served.url}/metrics`, { headers })).status === 200);
  const metrics = await (await fetch(`${served.url}/metrics`, { headers })).text();
  expect(/^deadletter_uncaught_errors_total (\d+)$/m.exec(metrics)?.[1]).toBe("0");
  served.child.kill("SIGTERM");
  expect(await served.child.exited).toBe(0);
  expect((await runDeadletter(["verify", "--quiet"], environment)).exitCode).toBe(0);
  await sql.end();
  await cluster.remove();
  rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
}, 120_000);
