// Disks that are full, and root file systems that may only be read, on mounts of their own.

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newEnvironment, until } from "../support/harness.ts";
import { commandLine, runDeadletter, startServe } from "../support/process.ts";

const canMount = process.env.DEADLETTER_TEST_MOUNTS === "true";

function run(...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

test.skipIf(!canMount)(
  "a full disk: changes are refused, all else answers, the stop is clean, and verify says what holds",
  async () => {
    const disk = mkdtempSync(join(tmpdir(), "deadletter-disk-"));
    run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk);
    try {
      const environment = { ...newEnvironment(undefined), DEADLETTER_DATA_DIR: join(disk, "data"), LOG_LEVEL: "warn" };
      const served = await startServe(environment);
      const headers = { authorization: `Bearer ${served.key}`, "content-type": "application/json" };
      const create = async (code?: string) => {
        const body = JSON.stringify({
          original_url: `https://example.com/${"x".repeat(1_000)}`,
          ...(code === undefined ? {} : { short_code: code }),
        });
        return (await fetch(`${served.url}/urls`, { method: "POST", headers, body })).status;
      };
      expect(await create("known")).toBe(201);
      await until("it is full", async () => (await create()) === 503, 30_000);
      try {
        writeFileSync(join(disk, "rest"), new Uint8Array(4 * 2 ** 20));
      } catch {
        // As intended: not a byte is left.
      }
      expect(await create()).toBe(503);
      expect((await fetch(`${served.url}/known`, { redirect: "manual" })).status).toBe(302);
      const list = await runDeadletter(["list", "--limit", "1"], environment);
      expect([list.exitCode, list.stderr]).toEqual([0, ""]);
      expect((await runDeadletter(["verify", "--quiet"], environment)).exitCode).toBe(0);
      served.child.kill("SIGTERM");
      expect(await served.child.exited).toBe(0);
      expect((await runDeadletter(["verify", "--quiet"], environment)).exitCode).toBe(0);
      const { exitCode, stderr } = await runDeadletter(["shorten", "https://example.com/"], environment);
      expect([exitCode, stderr]).toEqual([7, expect.stringContaining("not saved")]);
    } finally {
      run("umount", "-l", disk);
      rmSync(disk, { recursive: true, force: true });
    }
  },
  120_000,
);

test.skipIf(!canMount)(
  "a read-only root without any directory for temporary files serves",
  async () => {
    const disk = mkdtempSync("/mnt/deadletter-readonly-");
    // The checkout itself may be below /tmp: it stays where it is, and may only be read.
    const readOnly = (path: string) => `mount --bind ${path} ${path} && mount -o remount,ro,bind ${path}`;
    const mounts = `mount --make-rprivate / && ${["/tmp", "/var/tmp"].map(readOnly).join(" && ")} &&
    mount -t tmpfs tmpfs ${disk} && mount -o remount,ro,bind / && cd / && exec "$@"`;
    const environment = { ...newEnvironment(undefined), DEADLETTER_DATA_DIR: join(disk, "data") };
    const served = await startServe(environment, [], ["unshare", "-m", "sh", "-c", mounts, "sh", ...commandLine()]);
    const headers = { authorization: `Bearer ${served.key}`, "content-type": "application/json" };
    for (const short_code of ["one", "two", "three"]) {
      const body = JSON.stringify({ original_url: "https://example.com/", short_code });
      expect((await fetch(`${served.url}/urls`, { method: "POST", headers, body })).status).toBe(201);
      expect((await fetch(`${served.url}/${short_code}`, { redirect: "manual" })).status).toBe(302);
    }
    expect((await fetch(`${served.url}/events?per_page=500`, { headers })).status).toBe(200);
    served.child.kill("SIGTERM");
    expect(await served.child.exited).toBe(0);
    rmSync(disk, { recursive: true, force: true });
  },
  60_000,
);
