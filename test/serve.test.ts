// serve as a process: first start, start-up failures, signals, many at once.

import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LIMITS } from "../src/limits.ts";
import { createStore, ENGINES, until } from "./support/harness.ts";
import { createDatabase, freePort } from "./support/postgres.ts";
import { commandLine, createAdmin, runDeadletter, startServe } from "./support/process.ts";

async function inEmptyDirectory(
  run: (directory: string, environment: Record<string, string>) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "deadletter-serve-"));
  try {
    await run(directory, { DEADLETTER_DATA_DIR: join(directory, "data"), PORT: "0" });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** `serve` in a directory of its own, since the data directory may not exist yet. */
async function serveFails(environment: Record<string, string>, words: readonly string[] = []) {
  const outcome = await startServe(environment, words, [
    process.execPath,
    join(import.meta.dir, "../src/main.ts"),
  ]).catch((error: unknown) => String(error));
  if (typeof outcome !== "string") {
    outcome.child.kill(9);
    throw new Error(`it serves: ${outcome.greeting}`);
  }
  return outcome;
}

describe("the first start on the embedded store", () => {
  test("prints a key once with a curl that works as pasted; a second start prints none", () =>
    inEmptyDirectory(async (directory, environment) => {
      const home = { ...environment, DEADLETTER_DATA_DIR: directory };
      const served = await startServe(home);
      const curls = [...served.greeting.matchAll(/^ {2}(curl .+)$/gm)].map(([, line = ""]) => line);
      expect(curls).toHaveLength(2);
      const statuses = curls.map(
        (line) => Bun.spawnSync(["sh", "-c", line], { stderr: "ignore" }).stdout.toString().split("\r\n")[0],
      );
      expect(statuses).toEqual(["HTTP/1.1 201 Created", "HTTP/1.1 302 Found"]);
      expect(statSync(join(directory, "log.key")).mode & 0o777).toBe(0o600);
      expect(statSync(join(directory, "deadletter.db")).mode & 0o777).toBe(0o600);
      served.child.kill("SIGTERM");
      expect(await served.child.exited).toBe(0);
      const again = await startServe(home);
      expect(again.key).toBeUndefined();
      expect((await fetch(`${again.url}/hello`, { redirect: "manual" })).status).toBe(302);
      again.child.kill("SIGTERM");
      expect(await again.child.exited).toBe(0);
    }));

  test("ten processes at once on an empty directory all come up, and one of them prints the key", () =>
    inEmptyDirectory(async (directory, environment) => {
      const all = await Promise.all(
        Array.from({ length: 10 }, () => startServe({ ...environment, DEADLETTER_DATA_DIR: directory })),
      );
      expect(all.filter(({ key }) => key !== undefined)).toHaveLength(1);
      for (const { url } of all) expect((await fetch(`${url}/readyz`)).status).toBe(200);
      for (const { child } of all) child.kill("SIGTERM");
      for (const { child } of all) expect(await child.exited).toBe(0);
      const { exitCode } = await runDeadletter(["verify"], { ...environment, DEADLETTER_DATA_DIR: directory });
      expect(exitCode).toBe(0);
    }));

  test("a start that cannot listen creates no key", () =>
    inEmptyDirectory(async (directory, environment) => {
      const home = { ...environment, DEADLETTER_DATA_DIR: directory };
      const other = createServer();
      await new Promise<void>((listening) => other.listen(0, "127.0.0.1", listening));
      await serveFails({ ...home, PORT: String((other.address() as { port: number }).port) });
      other.close();
      const served = await startServe(home);
      expect(served.key).toStartWith("dl_");
      served.child.kill("SIGTERM");
      expect(await served.child.exited).toBe(0);
    }));

  test("a log key that is missing from a store in use is asked for, not made anew", () =>
    inEmptyDirectory(async (directory, environment) => {
      const home = { ...environment, DEADLETTER_DATA_DIR: directory };
      const served = await startServe(home);
      served.child.kill("SIGTERM");
      await served.child.exited;
      rmSync(join(directory, "log.key"));
      expect(await serveFails(home)).toContain("log.key is missing, but the store was written with one");
      expect((await runDeadletter(["verify"], home)).exitCode).toBe(2);
      expect(existsSync(join(directory, "log.key"))).toBe(false);
    }));

  test("DEADLETTER_ADMIN_KEY_FILE brings the first key, which is not printed", async () => {
    const store = await createStore("postgres");
    const file = join(store.config.dataDir, "admin.key");
    writeFileSync(file, `dl_${"k".repeat(40)}\n`);
    const served = await startServe({ ...store.environment, DEADLETTER_ADMIN_KEY_FILE: file });
    expect(served.greeting).not.toContain("kkkk");
    const whoami = await fetch(`${served.url}/whoami`, { headers: { "x-api-key": `dl_${"k".repeat(40)}` } });
    expect(await whoami.json()).toMatchObject({ user: { username: "admin" }, role: "admin" });
    served.child.kill("SIGTERM");
    expect(await served.child.exited).toBe(0);
    store.remove();
  });
});

describe("serve refuses to start, with one clear line and the right exit code", () => {
  test.each<[string, Record<string, string>, string[], RegExp]>([
    ["an unknown flag", {}, ["--prot", "80"], /ended with 2: deadletter: unknown flag --prot; did you mean --port\?/],
    [
      "an unknown variable",
      { DEADLETTER_DATADIR: "x" },
      [],
      /ended with 2: deadletter: unknown environment variable DEADLETTER_DATADIR\n {2}did you mean DEADLETTER_DATA_DIR\?/,
    ],
    ["a bad port", { PORT: "99999" }, [], /ended with 2: deadletter: PORT: "99999" is not an integer from 0 to 65535/],
    [
      "a bad database address",
      { DATABASE_URL: "mysql://root:secret@db/x" },
      [],
      /ended with 2: deadletter: DATABASE_URL: must be a PostgreSQL address/,
    ],
    [
      "a password in a flag",
      {},
      ["--database-url", "postgres://u:secret@db/x"],
      /ended with 2: deadletter: --database-url: must not contain a password/,
    ],
    [
      "a secret file that is not there",
      { DEADLETTER_LOG_KEY_FILE: "/nonexistent/key" },
      [],
      /ended with 2: deadletter: DEADLETTER_LOG_KEY_FILE: cannot read/,
    ],
    [
      "a damaged log key",
      { DEADLETTER_LOG_KEY: "nonsense" },
      [],
      /ended with 2: deadletter: log key: not a signed-note/,
    ],
    [
      "a database address with a stray %",
      { DATABASE_URL: "postgres://u:secr%et@db/x" },
      [],
      /ended with 2: deadletter: DATABASE_URL: has a % that is not part of an escape/,
    ],
    [
      "a password in a flag, shouting",
      {},
      ["--database-url", "POSTGRES://u:secret@db/x"],
      /ended with 2: deadletter: --database-url: must not contain a password/,
    ],
    ["a bad log level", { LOG_LEVEL: "loud" }, [], /ended with 2: deadletter: LOG_LEVEL: "loud" is not one of/],
  ])("%s", (_, more, words, message) =>
    inEmptyDirectory(async (directory, environment) => {
      const said = await serveFails({ ...environment, DEADLETTER_DATA_DIR: directory, ...more }, words);
      expect(said).toMatch(message);
      expect(said).not.toContain("secret");
    }),
  );

  test("a data directory that cannot be one", () =>
    inEmptyDirectory(async (directory, environment) => {
      writeFileSync(join(directory, "file"), "");
      const said = await serveFails({ ...environment }, ["--data-dir", join(directory, "file", "below")]).catch(String);
      expect(said).toMatch(/ended with 2: deadletter: cannot use the data directory .*file\/below/);
    }));

  test("an embedded store that is no database", () =>
    inEmptyDirectory(async (directory, environment) => {
      writeFileSync(join(directory, "deadletter.db"), "this is not a database, however long it may be".repeat(100));
      expect(await serveFails({ ...environment, DEADLETTER_DATA_DIR: directory })).toMatch(
        /ended with 7: deadletter: cannot open the embedded store .*not a database/,
      );
    }));

  test("a port that is taken", () =>
    inEmptyDirectory(async (directory, environment) => {
      const other = createServer();
      await new Promise<void>((listening) => other.listen(0, "127.0.0.1", listening));
      const { port } = other.address() as { port: number };
      expect(await serveFails({ ...environment, DEADLETTER_DATA_DIR: directory, PORT: String(port) })).toMatch(
        new RegExp(`ended with 2: deadletter: cannot listen on 127.0.0.1:${port}`),
      );
      other.close();
    }));

  test("PostgreSQL without a log key, not migrated, down, or with the wrong password", async () => {
    const url = await createDatabase();
    const store = await createStore("postgres");
    const { DEADLETTER_LOG_KEY = "", DEADLETTER_DATA_DIR = "" } = store.environment;
    const base = { DEADLETTER_DATA_DIR, PORT: "0", DATABASE_URL: url };
    const wrong = new URL(url);
    wrong.password = "wrong-secret";
    const down = new URL(url);
    down.port = String(await freePort());
    expect(await serveFails({ ...base, DEADLETTER_MIGRATE: "true" })).toMatch(
      /ended with 2: deadletter: PostgreSQL needs the audit log's key.*\n.*deadletter log keygen/,
    );
    expect(
      await serveFails({
        ...store.environment,
        DATABASE_URL: await createDatabase(),
        DEADLETTER_LOG_KEY,
        DEADLETTER_MIGRATE: "false",
      }),
    ).toMatch(/ended with 7: deadletter: the schema of .* is \d+ migration\(s\) behind\n {2}run: deadletter migrate/);
    for (const address of [wrong, down]) {
      const said = await serveFails({ ...base, DEADLETTER_LOG_KEY, DATABASE_URL: address.href });
      expect(said).toMatch(
        /ended with 7: deadletter: cannot use PostgreSQL at 127\.0\.0\.1:\d+\/deadletter_test_\w+: (password authentication failed|.*ECONNREFUSED)/,
      );
      expect(said).not.toContain("secret");
    }
    store.remove();
  });

  test.each([...ENGINES])("a schema that is too new, and another store's log key, on %s", async (engine) => {
    const store = await createStore(engine);
    const served = await startServe(store.environment);
    await runDeadletter(["users", "create", "--admin", "--username", "x", "--email", "x@y.z"], store.environment);
    served.child.kill("SIGTERM");
    await served.child.exited;
    const { encodeLogKey, createLogKey } = await import("../src/audit/log-key.ts");
    const other = encodeLogKey(createLogKey("other.example", new Uint8Array(32).fill(9)));
    expect(await serveFails({ ...store.environment, DEADLETTER_LOG_KEY: other })).toMatch(
      /ended with 2: deadletter: the log key other\.example is not the one/,
    );
    await store.tamper(
      "insert into schema_migrations (version, name, checksum, applied_at_ms) values (99, 'future', 'x', 1)",
    );
    expect(await serveFails(store.environment)).toMatch(
      /ended with 1: deadletter: the schema of .* is at version 99, newer than this binary/,
    );
    store.remove();
  });
});

describe("SIGTERM", () => {
  test("readyz says 503 through the grace, open requests finish, clicks are written, exit 0", async () => {
    const store = await createStore("sqlite");
    const served = await startServe({ ...store.environment, DEADLETTER_SHUTDOWN_GRACE_MS: "400" });
    const headers = { authorization: `Bearer ${served.key}`, "content-type": "application/json" };
    await fetch(`${served.url}/urls`, {
      method: "POST",
      headers,
      body: JSON.stringify({ original_url: "https://example.com/", short_code: "last" }),
    });
    const browser = { "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0" };
    served.child.kill("SIGTERM");
    await until("readyz says 503", async () => (await fetch(`${served.url}/readyz`)).status === 503);
    for (let index = 0; index < 5; index++)
      expect((await fetch(`${served.url}/last`, { redirect: "manual", headers: browser })).status).toBe(302);
    expect(await served.child.exited).toBe(0);
    expect(await store.query("select clicks from click_totals")).toEqual([{ clicks: 5 }]);
    store.remove();
  });

  test.each([
    ["one process", "sqlite", []],
    ["three workers", "postgres", ["--workers", "3"]],
  ] as const)("under load on %s fails no request on connections that were open", async (_, engine, words) => {
    const store = await createStore(engine);
    const served = await startServe(store.environment, words);
    const { hostname, port } = new URL(served.url);
    const key = served.key ?? (await createAdmin(store.environment));
    await fetch(`${served.url}/urls`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ original_url: "https://example.com/", short_code: "busy" }),
    });
    let [answered, failed] = [0, 0];
    const client = () =>
      new Promise<void>((resolve) => {
        let isWaiting = false;
        let text = "";
        const socket = connect(Number(port), hostname);
        const send = () => {
          isWaiting = true;
          socket.write("GET /busy HTTP/1.1\r\nHost: go\r\n\r\n");
        };
        socket.on("connect", send);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          if (isWaiting) failed += 1;
          resolve();
        });
        socket.on("data", (bytes) => {
          text += String(bytes);
          if (!text.endsWith("\r\n\r\n")) return;
          if (text.startsWith("HTTP/1.1 302")) answered += 1;
          else failed += 1;
          isWaiting = false;
          if (/^connection: close\r$/im.test(text)) socket.end();
          else setTimeout(send, 1);
          text = "";
        });
      });
    const clients = Array.from({ length: 16 }, client);
    await until("the load is on", () => answered > 500);
    served.child.kill("SIGTERM");
    await Promise.all(clients);
    expect([await served.child.exited, failed]).toEqual([0, 0]);
    store.remove();
  });

  test("shutdown completes although the log reader has stopped reading", async () => {
    const store = await createStore("sqlite");
    const shell = ["sh", "-c", 'exec "$@" > /dev/full', "sh", ...commandLine()];
    const served = await startServe(store.environment, [], shell);
    expect((await fetch(`${served.url}/health`)).status).toBe(200);
    served.child.kill("SIGTERM");
    expect(await served.child.exited).toBe(0);
    store.remove();
  });

  test("a second signal ends it at once", async () => {
    const store = await createStore("sqlite");
    const served = await startServe({ ...store.environment, DEADLETTER_SHUTDOWN_GRACE_MS: "60000" });
    served.child.kill("SIGTERM");
    await until("the first was taken", async () => (await fetch(`${served.url}/readyz`)).status === 503);
    const takenMs = performance.now();
    await until("it is not taken for the first", () => performance.now() - takenMs > LIMITS.sameSignalMs);
    served.child.kill("SIGTERM");
    expect(await served.child.exited).toBe(1);
    store.remove();
  });

  test("Ctrl-C in a terminal reaches it twice, from the terminal and from bun run: it drains and exits 0", async () => {
    const store = await createStore("sqlite");
    const served = await startServe(store.environment);
    served.child.kill("SIGINT");
    served.child.kill("SIGINT");
    await Bun.sleep(20);
    served.child.kill("SIGINT");
    expect(await served.child.exited).toBe(0);
    store.remove();
  });
});
