// A restore drill on the embedded store: says what a restore would give, and leaves nothing.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newEnvironment, until } from "../support/harness.ts";
import { runDeadletter, type Served, startServe } from "../support/process.ts";

describe("a restore drill", () => {
  let served: Served;
  let environment: Record<string, string>;
  const folder = mkdtempSync(join(tmpdir(), "deadletter-drills-"));
  const scratch = join(folder, "scratch");

  beforeAll(async () => {
    environment = newEnvironment(undefined);
    served = await startServe(environment);
    await create(5);
  });

  afterAll(async () => {
    served.child.kill("SIGTERM");
    await served.child.exited;
    rmSync(folder, { recursive: true, force: true });
    rmSync(environment.DEADLETTER_DATA_DIR ?? "", { recursive: true, force: true });
  });

  async function create(count: number): Promise<void> {
    const headers = { authorization: `Bearer ${served.key}`, "content-type": "application/json" };
    const body = JSON.stringify({ original_url: "https://example.com/" });
    for (let at = 0; at < count; at++) await fetch(`${served.url}/urls`, { method: "POST", headers, body });
    const status = async () =>
      ((await (await fetch(`${served.url}/log/status`, { headers })).json()) as { backlog: number }).backlog;
    await until("all is in the log", async () => (await status()) === 0);
    // The checkpoint is written down within a second.
    await Bun.sleep(1_200);
  }

  const drill = (...words: string[]) => runDeadletter(["drill", "restore", "--dir", scratch, ...words], environment);

  test("takes one of a store that is served, restores and verifies it, and leaves nothing", async () => {
    const { exitCode, stdout } = await drill("--json");
    expect(exitCode).toBe(0);
    const report = JSON.parse(stdout) as Record<string, number>;
    expect(report).toMatchObject({ isTrue: true, events: 7, entriesBehind: 0, log: { size: 7 } });
    expect(report.bytes).toBeGreaterThan(0);
    expect(report.backupMs).toBeGreaterThan(0);
    expect(readdirSync(scratch)).toEqual([]);
  });

  test("says how far an older backup is behind what this host knows of", async () => {
    const file = join(folder, "older.db");
    expect((await runDeadletter(["backup", file], environment)).exitCode).toBe(0);
    await create(3);
    const { exitCode, stdout } = await drill("--backup", file);
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringContaining(", 3 entries fewer than this host knows of; nothing was left behind"),
    ]);
    expect(readdirSync(scratch)).toEqual([]);
    expect(readdirSync(folder)).toContain("older.db");
  });

  test("exits with an error for what is no backup, and leaves nothing then either", async () => {
    const file = join(folder, "none.db");
    writeFileSync(file, "this is no database");
    expect((await drill("--backup", file)).exitCode).not.toBe(0);
    expect((await drill("--backup", join(folder, "absent.db"))).exitCode).toBe(2);
    expect(readdirSync(scratch)).toEqual([]);
  });
});
