// The Debian package: built, installed in a Debian of its own, purged. The unit is what systemd takes, and is locked down.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { until } from "../support/harness.ts";
import { freePort } from "../support/postgres.ts";

const ROOT = join(import.meta.dir, "../..");
const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "amd64";
const PACKAGE = `deadletter_${packageJson.version}_${ARCHITECTURE}.deb`;
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const has = (program: string) => Bun.which(program, { PATH }) !== null;
const canInstall = process.getuid?.() === 0 && has("debootstrap") && has("dpkg-deb");

/** Nothing of the test's own settings may reach the installed program. */
const ENVIRONMENT = { PATH, HOME: process.env.HOME ?? "/", DEBIAN_FRONTEND: "noninteractive" };

function run(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, {
    cwd: ROOT,
    env: ENVIRONMENT,
  });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stdout.toString()}${stderr.toString()}`);
  return stdout.toString();
}

describe.skipIf(!canInstall)("the Debian package", () => {
  const root = mkdtempSync(join(tmpdir(), "deadletter-debian-"));
  const inside = (...command: string[]) => run("chroot", root, ...command);

  beforeAll(() => {
    run(process.execPath, "build/package.ts");
    run("debootstrap", "--variant=minbase", "--include=adduser,systemd", "bookworm", root);
    // Of a temporary folder, which its own users may not enter.
    chmodSync(root, 0o755);
    run("mount", "-t", "proc", "proc", join(root, "proc"));
    run("cp", join(ROOT, "dist", PACKAGE), join(root, "tmp"));
  }, 600_000);

  afterAll(() => {
    Bun.spawnSync(["umount", "-l", join(root, "proc")]);
    rmSync(root, { recursive: true, force: true });
  });

  test("installs with what Debian has, and brings a user, a manual page and completions", () => {
    inside("dpkg", "--install", `/tmp/${PACKAGE}`);
    expect(inside("getent", "passwd", "deadletter")).toContain(":/var/lib/deadletter:");
    expect(inside("stat", "-c", "%a %U", "/var/lib/deadletter", "/etc/deadletter")).toBe("700 deadletter\n750 root\n");
    expect(inside("deadletter", "version").trim()).toBe(`deadletter ${packageJson.version}`);
    for (const path of [
      "usr/share/man/man1/deadletter.1.gz",
      "usr/share/man/man1/deadletter-users-create.1.gz",
      "usr/share/bash-completion/completions/deadletter",
      "usr/share/doc/deadletter/runbook.md",
    ])
      expect([path, existsSync(join(root, path))]).toEqual([path, true]);
    expect(inside("dpkg", "--verify", "deadletter")).toBe("");
  });

  test("serves as its own user, which healthcheck sees", async () => {
    const port = String(await freePort());
    const served = Bun.spawn(
      [
        "chroot",
        "--userspec=deadletter:deadletter",
        root,
        "env",
        "DEADLETTER_DATA_DIR=/var/lib/deadletter",
        `PORT=${port}`,
        "/usr/bin/deadletter",
        "serve",
      ],
      { env: ENVIRONMENT, stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    );
    const health = () =>
      Bun.spawnSync(["chroot", root, "env", `PORT=${port}`, "deadletter", "healthcheck"], { env: ENVIRONMENT });
    await until("it is ready", () => health().exitCode === 0, 20_000);
    expect(health().stdout.toString()).toBe("ready\n");
    expect(readdirSync(join(root, "var/lib/deadletter"))).toContain("deadletter.db");
    served.kill("SIGTERM");
    expect(await served.exited).toBe(0);
  }, 60_000);

  test("the unit passes systemd-analyze, and its exposure is at most 2.0", () => {
    const unit = "/lib/systemd/system/deadletter.service";
    const timer = "/lib/systemd/system/deadletter-verify.timer";
    expect(inside("systemd-analyze", "verify", "--man=no", unit, timer)).toBe("");
    const found = /Overall exposure level for \S+: ([\d.]+)/.exec(
      inside("systemd-analyze", "security", "--offline=true", unit),
    );
    expect(Number(found?.[1])).toBeLessThanOrEqual(2);
    // Without it the engine runs 20 times slower, and says nothing.
    expect(readFileSync(join(root, unit), "utf8")).not.toMatch(/^MemoryDenyWriteExecute/m);
  });

  test("is purged without taking the store or its keys along", () => {
    inside("dpkg", "--purge", "deadletter");
    expect(existsSync(join(root, "usr/bin/deadletter"))).toBe(false);
    expect(existsSync(join(root, "etc/default/deadletter"))).toBe(false);
    expect(existsSync(join(root, "var/lib/deadletter/deadletter.db"))).toBe(true);
  });
});
