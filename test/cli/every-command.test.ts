// Every command of the executable, on both engines, on the store itself and over HTTP: for a program with and without --json, and on
// terminals of three widths. In a pipe nothing is cut; through either door the same is done.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/cli/commands.ts";
import { ELSEWHERE, FILES, LONG, type Step, scenario } from "../support/command-scenario.ts";
import { createStore, ENGINES, type Engine } from "../support/harness.ts";
import { createAdmin, runDeadletter, startServe } from "../support/process.ts";
import { openTerminal } from "../support/screen.ts";

const ROOT = join(import.meta.dir, "../..");
const WIDTHS = [60, 80, 200];
const folder = mkdtempSync(join(tmpdir(), "deadletter-every-"));
const binary = join(folder, "deadletter");

beforeAll(() => {
  const build = Bun.spawnSync([process.execPath, "build/build.ts", "--outfile", binary], { cwd: ROOT, stderr: "pipe" });
  if (build.exitCode !== 0) throw new Error(build.stderr.toString());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every command is run here, or elsewhere", () => {
  const run = new Set(scenario("").flatMap(({ words, of }) => [of ?? "", words.slice(0, 2).join(" "), words[0] ?? ""]));
  const missing = COMMANDS.filter(({ name, isInternal }) => !isInternal && !run.has(name) && !ELSEWHERE.includes(name));
  expect(missing.map(({ name }) => name)).toEqual([]);
});

interface Door {
  readonly steps: readonly Step[];
  readonly environment: Record<string, string>;
  readonly close: () => Promise<void>;
}

async function openDoor(engine: Engine, door: "local" | "http"): Promise<Door> {
  const store = await createStore(engine);
  const own = mkdtempSync(join(folder, `${engine}-${door}-`));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(own, name), text);
  const key = await createAdmin(store.environment);
  // Beside commands on the store itself, as on its host, a server runs: it writes the log.
  const served = await startServe(store.environment, [], [binary]);
  const place = door === "local" ? store.environment : { DEADLETTER_SERVER: served.url };
  return {
    steps: scenario(own).filter(
      (step) => (door === "local" || !step.isLocal) && (step.engine === undefined || step.engine === engine),
    ),
    environment: { HOME: own, ...place, DEADLETTER_KEY: key },
    async close() {
      served.child.kill("SIGTERM");
      expect(await served.child.exited).toBe(0);
      const verified = await runDeadletter(["verify"], store.environment, [binary]);
      expect([verified.exitCode, verified.stdout]).toEqual([0, expect.stringContaining("all true")]);
      store.remove();
    },
  };
}

describe.each(ENGINES)("on %s", (engine) => {
  const histories: unknown[][] = [];

  test.each(["local", "http"] as const)(
    "every command does its work for a program, %s",
    async (door) => {
      const { steps, environment, close } = await openDoor(engine, door);
      for (const { words, exit = 0, exits = [exit], isTable } of steps) {
        const { exitCode, stdout, stderr } = await runDeadletter(words, environment, [binary]);
        expect([words, exits.includes(exitCode) ? "" : `${exitCode}: ${stderr}`]).toEqual([words, ""]);
        if (isTable) expect([words, stdout.includes("…")]).toEqual([words, false]);
        if (words[0] === "list") expect(stdout).toContain(`\t${LONG}\n`);
        expect(Bun.stripANSI(stdout)).toBe(stdout);
      }
      const events = await runDeadletter(["events", "--all", "--json"], environment, [binary]);
      histories.push((JSON.parse(events.stdout) as Record<string, unknown>[]).map(withoutPlace));
      await close();
    },
    180_000,
  );

  test("the same was done through either door, but for via", () => {
    const [local, http] = histories;
    expect(local?.length).toBeGreaterThan(20);
    expect(local).toEqual(http ?? []);
  });

  test.each(["local", "http"] as const)(
    "with --json every command prints JSON, errors too, %s",
    async (door) => {
      const { steps, environment, close } = await openDoor(engine, door);
      for (const { words, exit = 0, exits = [exit], json } of steps) {
        const { exitCode, stdout, stderr } = await runDeadletter([...words, "--json"], environment, [binary]);
        expect([words, exits.includes(exitCode) ? "" : `${exitCode}: ${stderr}`]).toEqual([words, ""]);
        if (exit !== 0)
          expect(JSON.parse(stderr)).toMatchObject({ error: expect.any(String), detail: expect.any(String) });
        else if (json === "lines") for (const line of stdout.trim().split("\n")) expect(JSON.parse(line)).toBeDefined();
        else if (json !== "text") expect([words, typeof JSON.parse(stdout)]).toEqual([words, "object"]);
      }
      await close();
    },
    180_000,
  );
});

// How a table is laid out does not depend on the engine.
test("tables fit terminals of 60, 80 and 200 columns", async () => {
  const { steps, environment, close } = await openDoor("sqlite", "http");
  for (const { words, isTable } of steps) {
    if (isTable)
      for (const columns of WIDTHS) {
        const terminal = openTerminal([binary, ...words], environment, { columns });
        await terminal.exited;
        const text = Bun.stripANSI(terminal.raw()).trimEnd();
        // What is said beside the data is text, which the terminal itself wraps.
        const lines = text.split(/\r?\n/).filter((line) => !/^(?:deadletter: | {2}\S)/.test(line));
        // What is shown of one thing, above its table, is whole.
        const table = words[0] === "show" ? lines.slice(lines.findIndex((line) => line.startsWith("V  "))) : lines;
        for (const line of table)
          expect([words, columns, line, Bun.stringWidth(line) <= columns]).toEqual([words, columns, line, true]);
      }
    await runDeadletter(words, environment, [binary]);
  }
  await close();
}, 180_000);

/** An event without what differs from run to run, and without the door it came through. */
function withoutPlace({
  id: _,
  timestamp: __,
  leaf_hash: ___,
  request_id: ____,
  actor,
  ...event
}: Record<string, unknown>): unknown {
  const { via: _____, ...who } = (actor ?? {}) as Record<string, unknown>;
  const text = JSON.stringify({ ...event, actor: who });
  return JSON.parse(
    text
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
      .replace(/erased-\d+-[0-9a-f]+/g, "ERASED")
      .replace(/127\.0\.0\.1:\d+/g, "HOST")
      // PostgreSQL's ids are drawn in blocks, of which each process has its own.
      .replace(/"(id|url_id)":\d+/g, '"$1":"ID"')
      .replace(/"subject":"(\w+):\d+"/g, '"subject":"$1"'),
  );
}
