// Runs the built executable by script files: lines that start with `$ ` are typed into a shell, the lines after them are
// what it must print (stdout and stderr together) and, where it is not 0, `[exit N]`. `...` stands for any lines,
// `<<PATTERN>>` for what a regular expression matches.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServe } from "../support/process.ts";

const ROOT = join(import.meta.dir, "../..");
const SCRIPTS = join(import.meta.dir, "scripts");
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "deadletter-cli-"));
  mkdirSync(join(directory, "bin"));
  const binary = join(directory, "bin/deadletter");
  const build = Bun.spawnSync([process.execPath, "build/build.ts", "--outfile", binary], {
    cwd: ROOT,
    stdout: "pipe",
    stderr: "pipe",
  });
  if (build.exitCode !== 0) throw new Error(build.stderr.toString());
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Step {
  readonly command: string;
  readonly expected: string[];
}

function readScript(name: string): Step[] {
  const steps: Step[] = [];
  for (const line of readFileSync(join(SCRIPTS, name), "utf8").trimEnd().split("\n")) {
    if (line.startsWith("# ")) continue;
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), expected: [] });
    else steps.at(-1)?.expected.push(line);
  }
  return steps;
}

function matches(expected: readonly string[], actual: readonly string[]): boolean {
  const [want, ...rest] = expected;
  if (want === undefined) return actual.length === 0;
  if (want === "...")
    return Array.from({ length: actual.length + 1 }, (_, skipped) => skipped).some((skipped) =>
      matches(rest, actual.slice(skipped)),
    );
  const [have, ...others] = actual;
  return have !== undefined && patternOf(want).test(have) && matches(rest, others);
}

function patternOf(line: string): RegExp {
  const parts = line.split(/<<(.+?)>>/);
  return new RegExp(
    `^${parts.map((part, index) => (index % 2 === 1 ? `(?:${part})` : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))).join("")}$`,
  );
}

function shell(command: string, home: string, environment: Record<string, string>): { lines: string[] } {
  const { stdout, exitCode } = Bun.spawnSync(["sh", "-c", `exec 2>&1; ${command}`], {
    cwd: home,
    env: { PATH: `${join(directory, "bin")}:${process.env.PATH}`, HOME: home, NO_COLOR: "1", ...environment },
    stdin: "ignore",
  });
  const text = stdout.toString().replace(/\n$/, "");
  return { lines: [...(text === "" ? [] : text.split("\n")), ...(exitCode === 0 ? [] : [`[exit ${exitCode}]`])] };
}

describe("the executable", () => {
  test.each(readdirSync(SCRIPTS).filter((name) => name.endsWith(".txt")))("%s", async (name) => {
    const home = join(directory, name.replace(".txt", ""));
    mkdirSync(home);
    symlinkSync(join(ROOT, "test/cli/scripts"), join(home, "scripts"));
    const environment: Record<string, string> = {};
    let end = async () => {};
    if (name.startsWith("server-")) {
      // The same commands over the network: a server of its own, and its key in the environment.
      const served = await startServe(
        { DEADLETTER_DATA_DIR: home, PORT: "0" },
        [],
        [join(directory, "bin/deadletter")],
      );
      Object.assign(environment, { DEADLETTER_SERVER: served.url, DEADLETTER_KEY: served.key ?? "" });
      end = async () => {
        served.child.kill("SIGTERM");
        expect(await served.child.exited).toBe(0);
      };
    }
    try {
      for (const { command, expected } of readScript(name)) {
        const { lines } = shell(command, home, environment);
        while (expected.at(-1) === "") expected.pop();
        if (!matches(expected, lines))
          expect(`$ ${command}\n${lines.join("\n")}`).toBe(`$ ${command}\n${expected.join("\n")}`);
      }
    } finally {
      await end();
    }
  });
});
