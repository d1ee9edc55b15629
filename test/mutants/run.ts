// Plants small faults one at a time and says which the tests do not catch:
//
//   bun run mutants [--count 120] [--seed 1] [--only src/redirect/]
//
// Works on copies of the committed state. Survivors that are no fault, and why, are in survivors.txt: `PATH | THE LINE | WHY`.

import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seeded } from "../support/simulated-clock.ts";
import { type Mutant, mutantsOf } from "./faults.ts";

const ROOT = join(import.meta.dir, "../..");
const TIMEOUT_MS = 240_000;

/** The tests that are to catch a fault, by the folder it is in: the quick ones first. */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  model: [
    "test/model",
    "test/audit/fold.test.ts",
    "test/operations/apply.test.ts",
    "test/http/links.test.ts",
    "test/http/users.test.ts",
    "test/http/privacy.test.ts",
    "test/http/bad-input.test.ts",
    "test/audit/rollback.test.ts",
    "test/operations/generation.test.ts",
  ],
  operations: [
    "test/operations/apply.test.ts",
    "test/operations/bootstrap.test.ts",
    "test/http/links.test.ts",
    "test/http/clicks.test.ts",
    "test/http/events.test.ts",
    "test/http/users.test.ts",
    "test/http/log.test.ts",
    "test/http/heard.test.ts",
    "test/operations/reindex.test.ts",
    "test/operations/races.test.ts",
    "test/audit/rollback.test.ts",
    "test/importers",
    "test/http/privacy.test.ts",
    "test/clicks/clicks.test.ts",
  ],
  audit: [
    "test/audit/event.test.ts",
    "test/audit/fold.test.ts",
    "test/audit/log-key.test.ts",
    "test/audit/went-back.test.ts",
    "test/faults.test.ts",
    "test/audit/sequencer.test.ts",
    "test/audit/verify.test.ts",
    "test/audit/rollback.test.ts",
    "test/audit/attacks.test.ts",
    "test/audit/refused.test.ts",
    "test/http/log.test.ts",
    "test/http/heard.test.ts",
    "test/audit/consumer.test.ts",
    "test/simulation.test.ts",
  ],
  tlog: [
    "test/tlog",
    "test/audit/formats.test.ts",
    "test/audit/log-key.test.ts",
    "test/audit/rollback.test.ts",
    "test/audit/verify.test.ts",
    "test/http/log.test.ts",
  ],
  redirect: [
    "test/redirect/cache.test.ts",
    "test/redirect/lookups.test.ts",
    "test/http/redirects.test.ts",
    "test/redirect/coherence.test.ts",
    "test/simulation.test.ts",
    "test/redirect/known.test.ts",
    "test/audit/rollback.test.ts",
    "test/redirect/outage.test.ts",
  ],
  store: [
    "test/store/store.test.ts",
    "test/store/embedded.test.ts",
    "test/tidy.test.ts",
    "test/http/links.test.ts",
    "test/http/events.test.ts",
    "test/http/log.test.ts",
    "test/store/plans.test.ts",
    "test/store/database-url.test.ts",
    "test/store/backup.test.ts",
    "test/operations/generation.test.ts",
    "test/audit/sequencer.test.ts",
    "test/clicks/clicks.test.ts",
  ],
};

/** Seen to survive once: planted each time. */
const ALWAYS: readonly (readonly [string, string, string])[] = [
  ["src/redirect/resolve.ts", "if (!flight.isStale) ", ""],
  ["src/audit/sequencer/head.ts", "if (beyond) throw", "if (false) throw"],
];

const { values } = parseArgs({
  options: { count: { type: "string" }, seed: { type: "string" }, only: { type: "string" } },
});
const mutants = choose(Number(values.count ?? 120), Number(values.seed ?? 1), values.only ?? "src/");
const excused = readFileSync(join(import.meta.dir, "survivors.txt"), "utf8")
  .split("\n")
  .filter((line) => line.includes(" | "));
const survivors: Mutant[] = [];
let done = 0;
await Promise.all(Array.from({ length: Math.max(1, Math.floor(availableParallelism() / 2) * 2) }, work));
const unexcused = survivors.filter((mutant) => !isExcused(mutant));
for (const { path, line, before, after } of survivors)
  console.log(`SURVIVED ${path}:${line}\n  - ${before.trim()}\n  + ${after.trim()}`);
const caught = done - survivors.length;
console.log(
  `${done} faults: ${caught} caught (${((caught / done) * 100).toFixed(1)} %), ${survivors.length} survived, ${unexcused.length} of them without a reason in survivors.txt`,
);
process.exit(caught / done >= 0.9 ? 0 : 1);

/** As many from each folder, spread over its files by the seed. */
function choose(count: number, seed: number, only: string): Mutant[] {
  const random = seeded(seed);
  const folders = Object.keys(TESTS);
  const chosen = folders.flatMap((folder) => {
    const all = sources(`src/${folder}`)
      .filter((path) => path.startsWith(only))
      .flatMap((path) => mutantsOf(path, read(path)));
    const share = Math.ceil(count / folders.length);
    return Array.from(
      { length: Math.min(share, all.length) },
      () => all.splice(Math.floor(random() * all.length), 1)[0] as Mutant,
    );
  });
  const always = ALWAYS.filter(([path]) => path.startsWith(only)).map(([path, from, to]): Mutant => {
    const lines = read(path).split("\n");
    const at = lines.findIndex((line) => line.includes(from));
    if (at === -1) throw new Error(`${path} has no line with ${from}`);
    return { path, line: at + 1, before: lines[at] as string, after: (lines[at] as string).replace(from, to) };
  });
  return [...always, ...chosen];
}

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => join(folder, name));
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

async function work(): Promise<void> {
  const copy = mkdtempSync(join(tmpdir(), "deadletter-mutants-"));
  await run(["git", "clone", "--quiet", ROOT, copy], ROOT);
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  for (let mutant = mutants.shift(); mutant; mutant = mutants.shift()) {
    const isCaught = await isCaughtIn(copy, mutant);
    done += 1;
    if (!isCaught) survivors.push(mutant);
    console.log(
      `${isCaught ? "caught  " : "SURVIVED"} ${mutant.path}:${mutant.line} ${mutant.after.trim().slice(0, 90)}`,
    );
  }
  rmSync(copy, { recursive: true, force: true });
}

async function isCaughtIn(copy: string, { path, line, after }: Mutant): Promise<boolean> {
  const text = read(path);
  const lines = text.split("\n");
  lines[line - 1] = after;
  writeFileSync(join(copy, path), lines.join("\n"));
  const tests = TESTS[path.split("/")[1] ?? ""] ?? [];
  try {
    for (const test of tests) {
      const argv = [process.execPath, "test", "--bail", "--no-orphans", "--timeout=30000", test];
      if (!(await run(argv, copy))) return true;
    }
    return false;
  } finally {
    writeFileSync(join(copy, path), text);
  }
}

/** Whether it ended well, in time. A fault that makes a test wait for ever is caught. */
async function run(argv: string[], cwd: string): Promise<boolean> {
  const environment = { ...process.env, SIMULATION_SEEDS: "25", CONSUMER_KILLS: "6", CLICKS: "6000", OUTAGE_S: "1" };
  const child = Bun.spawn(argv, { cwd, stdout: "ignore", stderr: "ignore", stdin: "ignore", env: environment });
  const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
  const exitCode = await child.exited;
  clearTimeout(timer);
  return exitCode === 0;
}

function isExcused({ path, before }: Mutant): boolean {
  return excused.some((line) => line.startsWith(`${path} | ${before.trim()} | `));
}
