// Builds dist/deadletter-PLATFORM for every platform of a release, each with its SHA-256. Another platform's Bun comes from npm.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const ROOT = join(import.meta.dir, "..");
/** Our name of a platform, and npm's of its Bun. */
const PLATFORMS: Readonly<Record<string, string>> = {
  "linux-x64": "bun-linux-x64",
  "linux-arm64": "bun-linux-aarch64",
  "linux-x64-musl": "bun-linux-x64-musl",
  "linux-arm64-musl": "bun-linux-aarch64-musl",
  "darwin-x64": "bun-darwin-x64",
  "darwin-arm64": "bun-darwin-aarch64",
};

const { values } = parseArgs({ options: { only: { type: "string" } } });
const wanted = values.only?.split(",") ?? Object.keys(PLATFORMS);
const folder = mkdtempSync(join(tmpdir(), "deadletter-release-"));
try {
  for (const platform of wanted) {
    const name = PLATFORMS[platform];
    if (name === undefined) throw new Error(`--only: ${platform} is not one of ${Object.keys(PLATFORMS).join(", ")}`);
    const bun = fetchBun(name);
    run([
      process.execPath,
      "build/build.ts",
      "--outfile",
      `dist/deadletter-${platform}`,
      "--target",
      name,
      "--compile-executable-path",
      bun,
    ]);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function fetchBun(name: string): string {
  run(["npm", "install", "--silent", "--no-save", "--force", "--prefix", folder, `@oven/${name}@${Bun.version}`]);
  const path = join(folder, "node_modules/@oven", name, "bin/bun");
  if (!existsSync(path)) throw new Error(`@oven/${name} has no bin/bun`);
  return path;
}

function run(command: readonly string[]): void {
  const { exitCode } = Bun.spawnSync([...command], {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  if (exitCode !== 0) throw new Error(`${command[0]} failed`);
}
