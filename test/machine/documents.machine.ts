// Every command in README and docs/ is run as it is written, in the order in which it stands, against a server and a PostgreSQL of the
// test's own; blocks that are not say why (<!-- not run: ... -->).

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Pair, startPair } from "../support/debian-postgres.ts";
import { until } from "../support/harness.ts";
import { freePort } from "../support/postgres.ts";
import { commandLine } from "../support/process.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";

const ROOT = join(import.meta.dir, "../..");
const BINARIES = "/usr/lib/postgresql/15/bin";
/** Made from the program, or about working on it. */
const LEFT_OUT = new Set(["cli.md", "api.md", "metrics.md", "failure-modes.md"]);
const FILES = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => !LEFT_OUT.has(name))
    .map((name) => `docs/${name}`),
];
/** What a script cannot do: a screen of its own. */
const INTERACTIVE = /^deadletter admin$/gm;

interface Block {
  readonly text: string;
  readonly notRun: string | undefined;
}

function blocksOf(file: string): readonly Block[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/(?:<!-- not run: ([^>]*?) -->\s*)?^```sh\n([\s\S]*?)^```/gm)].map(
    ([, notRun, block = ""]) => ({
      text: block,
      notRun,
    }),
  );
}

describe.skipIf(Bun.which("createuser", { PATH: BINARIES }) === null || Bun.which("curl") === null)(
  "commands of the documents",
  () => {
    const work = mkdtempSync(join(tmpdir(), "deadletter-documents-"));
    let pair: Pair;
    let receiver: Receiver;
    let serverUrl: string;
    let server: Bun.Subprocess;
    let environment: Record<string, string>;

    beforeAll(async () => {
      [pair, receiver] = [await startPair(), startReceiver()];
      const port = await freePort();
      serverUrl = `http://127.0.0.1:${port}`;
      mkdirSync(join(work, "bin"));
      // serve goes on in the background, so that what is written after it can be run.
      writeFileSync(
        join(work, "bin/deadletter"),
        `#!/bin/bash
if [ "$1" = serve ]; then
  shift
  PORT=0 ${commandLine().join(" ")} serve "$@" > served.log 2>&1 &
  echo $! >> ${work}/pids
  for _ in $(seq 100); do grep -q 'serves on' served.log && exit 0; sleep 0.1; done
  cat served.log >&2; exit 1
fi
exec ${commandLine().join(" ")} "$@"
`,
        { mode: 0o755 },
      );
      const { port: postgresPort } = new URL(pair.primaryUrl);
      environment = {
        PATH: `${work}/bin:${BINARIES}:${process.env.PATH}`,
        HOME: work,
        NO_COLOR: "1",
        PGHOST: "127.0.0.1",
        PGPORT: postgresPort,
        PGUSER: "postgres",
        LOG_LEVEL: "info",
        DEADLETTER_LOG_REDIRECTS: "all",
      };
      const lines = openSync(join(work, "deadletter.jsonl"), "a");
      server = Bun.spawn([...commandLine(), "serve", "--port", String(port)], {
        cwd: work,
        env: environment,
        stdin: "ignore",
        stdout: lines,
        stderr: openSync(join(work, "greeting"), "a"),
      });
      const greeting = () => readFileSync(join(work, "greeting"), "utf8");
      await until("it serves", () => greeting().includes("serves on"), 20_000);
      const key = /^ {2}(dl_\S+)$/m.exec(greeting())?.[1] ?? "";
      environment = { ...environment, KEY: key };
      await prepare(key);
    }, 60_000);

    afterAll(async () => {
      server?.kill();
      await server?.exited;
      for (const pid of readPids()) process.kill(pid);
      await pair?.remove();
      await receiver?.close();
      rmSync(work, { recursive: true, force: true });
    });

    function readPids(): number[] {
      try {
        return readFileSync(join(work, "pids"), "utf8").trim().split("\n").map(Number);
      } catch {
        return [];
      }
    }

    /** What the documents' examples talk of: link 42 in its third version, seven users, files that somebody has. */
    async function prepare(key: string): Promise<void> {
      const send = async (method: string, path: string, body: object, more: Record<string, string> = {}) => {
        const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", ...more };
        const answer = await fetch(serverUrl + path, { method, headers, body: JSON.stringify(body) });
        if (!answer.ok) throw new Error(await answer.text());
      };
      for (let link = 1; link <= 42; link++)
        await send("POST", "/urls", { original_url: "https://example.com/", short_code: `link-${link}` });
      for (const title of ["one", "two"])
        await send("PATCH", "/urls/link-42", { title }, { "x-request-id": "0b9d4a52" });
      for (let user = 2; user <= 7; user++)
        await send("POST", "/users", { username: `person-${user}`, email: `person-${user}@example.com` });
      writeFileSync(join(work, "webhook"), receiver.url, { mode: 0o600 });
      writeFileSync(join(work, "probe.key"), key, { mode: 0o600 });
      await until("the checkpoint is written down", () => readdirSync(join(work, "data")).includes("checkpoint"));
      writeFileSync(join(work, "checkpoint"), readFileSync(join(work, "data/checkpoint")));
      for (const name of ["users", "urls", "events"])
        writeFileSync(join(work, `${name}.csv`), readFileSync(join(ROOT, `test/documents/${name}.csv`)));
      const made = [
        "deadletter log vkey > log.vkey",
        "createuser deadletter",
        "createdb --owner=deadletter deadletter",
      ];
      for (const command of made) Bun.spawnSync(["bash", "-c", command], { cwd: work, env: environment });
    }

    /** Names of the examples become those of this test. */
    function asHere(text: string): string {
      return text
        .replaceAll("http://127.0.0.1:5000", serverUrl)
        .replaceAll("https://go.example.com/log/checkpoint", `${serverUrl}/log/checkpoint`)
        .replaceAll("https://links.internal", serverUrl)
        .replaceAll("127.0.0.1:5432", `127.0.0.1:${environment.PGPORT}`)
        .replaceAll("/etc/deadletter/webhook", join(work, "webhook"))
        .replace(INTERACTIVE, "true");
    }

    test("there are some, and those that are not run say why", () => {
      const all = FILES.flatMap(blocksOf);
      expect(all.filter(({ notRun }) => notRun === undefined).length).toBeGreaterThan(15);
      expect(all.filter(({ notRun }) => notRun !== undefined && notRun.length < 10)).toEqual([]);
    });

    test.each(FILES.filter((file) => blocksOf(file).some(({ notRun }) => notRun === undefined)).map((file) => [file]))(
      "%s",
      async (file) => {
        for (const { text, notRun } of blocksOf(file)) {
          if (notRun !== undefined) continue;
          // What is exported in one block holds in those after it only where it says so; an import wants a store of its own.
          const own = text.includes("deadletter import") ? { DEADLETTER_DATA_DIR: "imported" } : {};
          const child = Bun.spawn(["bash", "-euo", "pipefail", "-c", asHere(text)], {
            cwd: work,
            env: { ...environment, ...own },
            stdin: "ignore",
            stdout: "pipe",
            stderr: "pipe",
          });
          const [stdout, stderr] = await Promise.all([
            new Response(child.stdout).text(),
            new Response(child.stderr).text(),
          ]);
          expect([text, await child.exited, (await child.exited) === 0 ? "" : stdout + stderr]).toEqual([text, 0, ""]);
        }
      },
      180_000,
    );
  },
);
