// Backups of the embedded store: taken while it is written to, verified, and put back, with what must not happen on the way.

import { expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStore, startServer, until } from "../support/harness.ts";
import { runDeadletter, startServe } from "../support/process.ts";

test("a backup is taken while writers never pause, is true, and serves from another directory", async () => {
  const store = await createStore("sqlite");
  const served = await startServe(store.environment);
  const headers = { authorization: `Bearer ${served.key}`, "content-type": "application/json" };
  let isOver = false;
  let made = 0;
  const writers = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const body = JSON.stringify({ original_url: `https://example.com/${made}` });
      if ((await fetch(`${served.url}/urls`, { method: "POST", headers, body })).status === 201) made += 1;
    }
  });
  await until("much is written", () => made > 1_500);
  const folder = mkdtempSync(join(tmpdir(), "deadletter-backup-"));
  const file = join(folder, "copy.db");
  const before = made;
  const taken = await runDeadletter(["backup", file, "--json"], store.environment);
  const during = made - before;
  isOver = true;
  await Promise.all(writers);
  expect([taken.exitCode, during > 0]).toEqual([0, true]);
  const report = JSON.parse(taken.stdout) as { isTrue: boolean; subjects: { url: number }; bytes: number };
  expect(report.isTrue).toBe(true);
  expect(report.subjects.url).toBeGreaterThanOrEqual(before);
  expect(report.bytes).toBe(statSync(file).size);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["copy.db"]);
  const again = await runDeadletter(["backup", file], store.environment);
  expect([again.exitCode, again.stderr]).toEqual([4, expect.stringContaining("exists already")]);
  served.child.kill("SIGTERM");
  expect(await served.child.exited).toBe(0);

  // A directory with nothing in it asks for the log key.
  const { DEADLETTER_LOG_KEY: key = "", ...rest } = store.environment;
  const elsewhere = { ...rest, DEADLETTER_DATA_DIR: join(folder, "data") };
  const keyless = await runDeadletter(["restore", file], elsewhere);
  expect([keyless.exitCode, keyless.stderr]).toEqual([2, expect.stringContaining("DEADLETTER_LOG_KEY_FILE")]);
  writeFileSync(join(folder, "log.key"), key);
  const restored = await runDeadletter(["restore", file], {
    ...elsewhere,
    DEADLETTER_LOG_KEY_FILE: join(folder, "log.key"),
  });
  expect([restored.exitCode, restored.stdout]).toEqual([0, expect.stringContaining("all true")]);
  expect(readdirSync(elsewhere.DEADLETTER_DATA_DIR).sort()).toEqual(["deadletter.db", "log.key"]);
  expect(statSync(join(elsewhere.DEADLETTER_DATA_DIR, "log.key")).mode & 0o777).toBe(0o600);
  const other = await startServe(elsewhere);
  expect((await fetch(`${other.url}/whoami`, { headers })).status).toBe(200);
  other.child.kill("SIGTERM");
  expect(await other.child.exited).toBe(0);
  expect((await runDeadletter(["restore", file], elsewhere)).stderr).toContain("has a store already");
  rmSync(folder, { recursive: true, force: true });
  store.remove();
}, 60_000);

test("a restore that would go behind a saved checkpoint is refused unless told, and then its log is refused until the rollback is accepted", async () => {
  const store = await createStore("sqlite");
  const folder = mkdtempSync(join(tmpdir(), "deadletter-backup-"));
  const { dataDir } = store.config;
  let server = await startServer(store);
  const key = server.adminKey;
  await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "before" });
  await server.sequence();
  expect((await runDeadletter(["backup", join(folder, "old.db")], store.environment)).exitCode).toBe(0);
  await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "after" });
  await server.sequence();
  const newer = join(folder, "checkpoint");
  copyFileSync(join(dataDir, "checkpoint"), newer);
  await server.close();
  rmSync(join(dataDir, "deadletter.db"));
  writeFileSync(join(dataDir, "deadletter.db-wal"), "what a lost store left behind");
  const left = await runDeadletter(["restore", join(folder, "old.db")], store.environment);
  expect([left.exitCode, left.stderr]).toEqual([4, expect.stringContaining("deadletter.db-wal")]);
  rmSync(join(dataDir, "deadletter.db-wal"));
  const restore = (...words: string[]) =>
    runDeadletter(["restore", join(folder, "old.db"), ...words], store.environment);
  // What this host remembers itself, and what was kept elsewhere.
  const remembered = await restore();
  expect([remembered.exitCode, remembered.stderr]).toEqual([4, expect.stringContaining("--allow-rollback")]);
  rmSync(join(dataDir, "checkpoint"));
  expect((await restore("--checkpoint", newer)).exitCode).toBe(4);
  copyFileSync(newer, join(dataDir, "checkpoint"));
  expect(existsSync(join(dataDir, "deadletter.db"))).toBe(false);
  const told = await restore("--allow-rollback");
  expect([told.exitCode, told.stdout]).toEqual([0, expect.stringContaining("the log went back")]);
  expect(told.stdout).toContain(`deadletter log accept-rollback --data-dir ${dataDir} --reason TEXT`);
  // The same with a checkpoint from elsewhere, in a directory that remembers nothing.
  const other = { ...store.environment, DEADLETTER_DATA_DIR: join(folder, "other") };
  const words = ["restore", join(folder, "old.db"), "--allow-rollback", "--checkpoint", newer];
  expect(await runDeadletter(words, other)).toMatchObject({ exitCode: 0 });
  expect(readFileSync(join(folder, "other/checkpoint"), "utf8")).toBe(readFileSync(newer, "utf8"));
  server = await startServer(store);
  expect((await server.call("POST", "/urls", { original_url: "https://a.b/" }, { key })).status).toBe(503);
  await server.close();
  const status = await runDeadletter(["log", "status"], store.environment);
  expect(status.stdout).toContain("deadletter log accept-rollback --dry-run");
  const accepted = await runDeadletter(["log", "accept-rollback", "--reason", "a test"], store.environment);
  expect([accepted.exitCode, accepted.stderr]).toEqual([0, ""]);
  server = await startServer(store);
  expect((await server.call("GET", "/before")).status).toBe(302);
  expect((await server.call("GET", "/after")).status).toBe(404);
  expect((await server.call("POST", "/urls", { original_url: "https://a.b/" }, { key })).status).toBe(201);
  await server.close();
  rmSync(folder, { recursive: true, force: true });
  store.remove();
});

test("what is false is named and not put in place; PostgreSQL has its own tools", async () => {
  const store = await createStore("sqlite");
  const folder = mkdtempSync(join(tmpdir(), "deadletter-backup-"));
  const server = await startServer(store);
  await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "victim" });
  await server.sequence();
  await server.close();
  await store.tamper("update urls set original_url = 'https://evil.example/'", { guardsOff: true });
  const file = join(folder, "false.db");
  const taken = await runDeadletter(["backup", file], store.environment);
  expect([taken.exitCode, existsSync(file)]).toEqual([6, true]);
  expect(taken.stdout).toContain("victim");
  const elsewhere = { ...store.environment, DEADLETTER_DATA_DIR: join(folder, "data") };
  expect((await runDeadletter(["restore", file], elsewhere)).exitCode).toBe(6);
  expect(existsSync(join(folder, "data/deadletter.db"))).toBe(false);
  writeFileSync(join(folder, "junk.db"), "not a database at all");
  expect((await runDeadletter(["restore", join(folder, "junk.db")], elsewhere)).exitCode).not.toBe(0);
  expect(readdirSync(join(folder, "data"))).toEqual([]);

  const postgres = { ...elsewhere, DATABASE_URL: "postgres://deadletter@127.0.0.1:1/deadletter" };
  const backup = await runDeadletter(["backup", join(folder, "x.db")], postgres);
  expect([backup.exitCode, backup.stderr]).toEqual([2, expect.stringContaining("pg_dump")]);
  const restored = await runDeadletter(["restore", file], postgres);
  expect([restored.exitCode, restored.stderr]).toEqual([2, expect.stringContaining("pg_restore")]);
  rmSync(folder, { recursive: true, force: true });
  store.remove();
});
