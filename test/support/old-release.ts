// The first release as it was, out of this repository's history: what it wrote must open, and it runs beside what came after it.

import { mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const COMMIT = "555d70c";

/** Whether the history holds it: a clone cut short does not. */
export const hasOldRelease =
  Bun.spawnSync(["git", "cat-file", "-e", `${COMMIT}^{commit}`], { cwd: ROOT, stderr: "ignore" }).exitCode === 0;

/** What starts it, before its words: its own source, with the dependencies of this tree. */
export function oldRelease(): string[] {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-old-"));
  mkdirSync(folder, { recursive: true });
  const archive = Bun.spawnSync(["git", "archive", COMMIT, "src", "migrations", "package.json"], { cwd: ROOT });
  const unpacked = Bun.spawnSync(["tar", "-x", "-C", folder], { stdin: archive.stdout });
  if (archive.exitCode !== 0 || unpacked.exitCode !== 0) throw new Error(`${COMMIT} cannot be unpacked`);
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return [process.execPath, join(folder, "src/main.ts")];
}
