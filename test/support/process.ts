// Runs deadletter as a process of its own: from source, or as the built binary where DEADLETTER_TEST_BINARY names one.

import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function commandLine(): string[] {
  return [process.execPath, join(ROOT, "src/main.ts")];
}

export function spawnDeadletter(
  words: readonly string[],
  environment: Record<string, string>,
  command = commandLine(),
) {
  return Bun.spawn([...command, ...words], {
    cwd: tmpdir(),
    // Nothing of the developer's own settings may reach the process.
    env: { PATH: process.env.PATH ?? "", HOME: "/nonexistent", NO_COLOR: "1", ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

export async function runDeadletter(
  words: readonly string[],
  environment: Record<string, string>,
  command = commandLine(),
): Promise<Finished> {
  const child = spawnDeadletter(words, environment, command);
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

/** Makes an admin in a store that is migrated; its key. */
export async function createAdmin(environment: Record<string, string>): Promise<string> {
  const { stdout, stderr } = await runDeadletter(["users", "create", "--admin", "--json"], environment);
  if (stdout === "") throw new Error(stderr);
  return (JSON.parse(stdout) as { key: { key: string } }).key.key;
}

/** The processes that a process has started (proc(5)). */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

export interface Served {
  readonly url: string;
  /** All that serve has said on stderr so far. */
  readonly greeting: string;
  readonly child: ReturnType<typeof spawnDeadletter>;
  /** The admin key that was printed, where one was. */
  readonly key: string | undefined;
}

/** Starts `serve` and waits until it says that it serves. Throws what it said where it ended instead. */
export async function startServe(
  environment: Record<string, string>,
  words: readonly string[] = [],
  command = commandLine(),
): Promise<Served> {
  const child = spawnDeadletter(["serve", ...words], environment, command);
  const decoder = new TextDecoder();
  let text = "";
  const reader = child.stderr.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`serve ended with ${await child.exited}: ${text}`);
    text += decoder.decode(value);
    const url = / serves on (\S+) from /.exec(text)?.[1];
    // The greeting is written at once; what follows the first line comes with it.
    if (url !== undefined) {
      void drain(reader);
      void drain(child.stdout.getReader());
      return { url, greeting: text, child, key: /^ {2}(dl_\S+)$/m.exec(text)?.[1] };
    }
  }
}

async function drain(reader: { read: () => Promise<{ done: boolean }> }): Promise<void> {
  while (!(await reader.read()).done);
}
