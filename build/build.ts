// Builds dist/deadletter, one executable for this platform or for another (build/release.ts), with its SHA-256 beside it.
// Never --minify or --production: Elysia reads the source of its handlers (docs/decisions.md).

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import packageJson from "../package.json" with { type: "json" };

const { values } = parseArgs({
  options: {
    outfile: { type: "string", default: "dist/deadletter" },
    /** A Bun executable of the platform to build for, such as the one in @oven/bun-linux-aarch64. */
    "compile-executable-path": { type: "string" },
    /** That platform, as Bun calls it: bun-linux-arm64. */
    target: { type: "string" },
  },
});

mkdirSync("dist", { recursive: true });
const otherPlatform = values["compile-executable-path"];
const build = Bun.spawnSync(
  [
    process.execPath,
    "build",
    "--compile",
    "--bytecode",
    "--format=esm",
    "--sourcemap",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--define",
    'process.env.NODE_ENV="production"',
    "--define",
    `DEADLETTER_VERSION=${JSON.stringify(packageJson.version)}`,
    ...(otherPlatform === undefined ? [] : [`--compile-executable-path=${otherPlatform}`]),
    ...(values.target === undefined ? [] : [`--target=${values.target}`]),
    "src/main.ts",
    // Every thread is an entry point of its own (src/runtime/program.ts).
    "src/store/wal-thread.ts",
    "src/store/read-thread.ts",
    "src/store/write-thread.ts",
    "src/clicks/record-thread.ts",
    "--outfile",
    values.outfile,
  ],
  { stdin: "ignore", stdout: "inherit", stderr: "inherit" },
);
if (build.exitCode !== 0) process.exit(build.exitCode);

const sha256 = createHash("sha256").update(readFileSync(values.outfile)).digest("hex");
writeFileSync(`${values.outfile}.sha256`, `${sha256}  ${values.outfile.split("/").at(-1)}\n`);
console.log(`${values.outfile}: ${Math.round(statSync(values.outfile).size / 1e6)} MB, sha256 ${sha256}`);
