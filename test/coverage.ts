// Runs the tests with coverage and holds the share of lines of src/ against a floor that only ever rises. Ends like the tests do.

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Percent of lines. Raise it when what is covered has grown; it may not fall. */
const FLOOR = 93;

const folder = join(import.meta.dir, "../coverage");
rmSync(folder, { recursive: true, force: true });
const words = ["--coverage", "--coverage-reporter=lcov", `--coverage-dir=${folder}`];
const tests = Bun.spawn([process.execPath, join(import.meta.dir, "run.ts"), ...words], {
  stdin: "ignore",
  stdout: "inherit",
  stderr: "inherit",
});
const exitCode = await tests.exited;

let [lines, hit] = [0, 0];
for (const record of readFileSync(join(folder, "lcov.info"), "utf8").split("end_of_record")) {
  if (!/^SF:(?:.*\/)?src\//m.test(record)) continue;
  lines += Number(/^LF:(\d+)$/m.exec(record)?.[1] ?? 0);
  hit += Number(/^LH:(\d+)$/m.exec(record)?.[1] ?? 0);
}
const share = (100 * hit) / lines;
console.log(`${share.toFixed(2)} % of ${lines} lines of src/ are covered; the floor is ${FLOOR} %`);
process.exit(exitCode === 0 && share >= FLOOR ? 0 : 1);
