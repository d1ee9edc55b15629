// Completion scripts: every shell that is here takes its own, and bash completes with it.

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualPage } from "../../build/man.ts";
import { COMMANDS } from "../../src/cli/commands.ts";
import { completionFor, SHELLS } from "../../src/cli/completion.ts";
import { runDeadletter } from "../support/process.ts";

test.each([...SHELLS])("%s takes its script without a complaint", async (shell) => {
  const { stdout, exitCode } = await runDeadletter(["completion", shell], {});
  expect([exitCode, stdout]).toEqual([0, completionFor(shell, COMMANDS)]);
  for (const { name, isInternal } of COMMANDS)
    if (!isInternal) expect([name, stdout.includes(name.split(" ").at(-1) ?? "")]).toEqual([name, true]);
  expect(stdout).not.toContain("serve-worker");
  if (Bun.which(shell) === null) return;
  const checked = Bun.spawnSync([shell, "-n"], { stdin: Buffer.from(stdout) });
  expect([checked.exitCode, checked.stderr.toString()]).toEqual([0, ""]);
});

test.skipIf(Bun.which("bash") === null)("bash completes commands, their second words and their flags", () => {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-completion-"));
  writeFileSync(join(folder, "script"), completionFor("bash", COMMANDS));
  const complete = (...words: string[]) => {
    const typed = ["deadletter", ...words].map((word) => `'${word}'`).join(" ");
    const script = `source ./script; COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _deadletter; echo "\${COMPREPLY[@]}"`;
    return Bun.spawnSync(["bash", "-c", script], { cwd: folder }).stdout.toString().trim().split(" ");
  };
  expect(complete("moni")).toEqual(["monitoring"]);
  expect(complete("monitoring", "")).toEqual(["rules", "dashboard", "alertmanager"]);
  expect(complete("monitoring", "rules", "--disk")).toEqual(["--disk-free"]);
  expect(complete("serve", "--log-f")).toEqual(["--log-format"]);
  expect(complete("verify", "--checkp")).toEqual(["--checkpoint"]);
  rmSync(folder, { recursive: true, force: true });
});

test("an unknown shell is refused by name", async () => {
  const { exitCode, stderr } = await runDeadletter(["completion", "tcsh"], {});
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining("bash, zsh, fish")]);
});

test("the manual page names every command and setting", () => {
  const page = manualPage(COMMANDS).replaceAll("\\-", "-");
  for (const { name, isInternal } of COMMANDS)
    expect([name, page.includes(`deadletter ${name}`)]).toEqual([name, !isInternal]);
  expect(page).toContain("DEADLETTER_ALERT_WEBHOOK_FILE");
});
