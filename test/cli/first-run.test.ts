// The first minutes: deadletter without a word where there is nothing yet, and what serve says to a person.

import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStore, startServer } from "../support/harness.ts";
import { commandLine, runDeadletter, startServe } from "../support/process.ts";
import { CTRL_C, DOWN, ENTER, openTerminal } from "../support/screen.ts";

const homes: string[] = [];
afterEach(() => {
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true });
});

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), "deadletter-home-"));
  homes.push(home);
  return home;
}

test("a store is set up and served when that is chosen, with the key shown once and three commands", async () => {
  const home = newHome();
  const { at, exited } = openTerminal(["sh", "-c", `cd ${home} && exec ${commandLine().join(" ")}`], {
    HOME: home,
    PORT: "0",
  });
  await at("there is no store here yet", "");
  await at("Set one up here", ENTER);
  await at("shown once", "");
  await at("dl_", "");
  await at("deadletter shorten", "");
  await at("deadletter admin", "");
  await at("deadletter dashboard", CTRL_C);
  expect(await exited).toBe(0);
  expect(existsSync(join(home, "data/deadletter.db"))).toBe(true);
}, 30_000);

test("a person logs in, works with the profile, and logs out; the key's file is that person's alone", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  const home = newHome();
  const address = server.listeners.apiUrl;
  const { at, exited } = openTerminal(["sh", "-c", `cd ${home} && exec ${commandLine().join(" ")}`], { HOME: home });
  await at("What would you like to do?", DOWN + ENTER);
  await at("Where is it?", address + ENTER);
  await at("API key", server.adminKey + ENTER);
  await at("logged in to", "");
  expect(await exited).toBe(0);

  const environment = { HOME: home };
  expect((await runDeadletter(["profiles"], environment)).stdout).toBe(`default\t${address}\tfile\n`);
  const file = join(home, ".config/deadletter/profiles.json");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((await runDeadletter(["whoami", "--json"], environment)).stdout).toContain('"username": "admin"');
  expect((await runDeadletter(["shorten", "https://a.b/", "--code", "sale"], environment)).exitCode).toBe(0);
  // Whatever else is set, a profile's key goes to its server alone.
  const elsewhere = await runDeadletter(["list", "--server", "http://127.0.0.1:1"], environment);
  expect([elsewhere.exitCode, elsewhere.stderr]).toEqual([5, expect.stringContaining("a key is needed")]);
  const both = await runDeadletter(["list", "--profile", "default", "--server", address], environment);
  expect([both.exitCode, both.stderr]).toEqual([2, expect.stringContaining("two servers")]);
  expect((await runDeadletter(["list", "--profile", "defualt"], environment)).stderr).toContain(
    "did you mean default?",
  );

  Bun.spawnSync(["chmod", "644", file]);
  expect((await runDeadletter(["list"], environment)).stderr).toContain("chmod 600");
  Bun.spawnSync(["chmod", "600", file]);
  expect((await runDeadletter(["logout"], environment)).stdout).toContain("forgot profile default");
  expect((await runDeadletter(["logout"], environment)).exitCode).toBe(3);
  await server.close();
  store.remove();
}, 60_000);

test("who is logged in is not told of a store that lies about, nor has one made, and hears which it is", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  const home = newHome();
  const address = server.listeners.apiUrl;
  const inHome = (words: string, more: Record<string, string> = {}) => {
    const command = `cd ${home} && ${commandLine().join(" ")} ${words}`;
    return Bun.spawn(["sh", "-c", command], {
      env: { PATH: process.env.PATH ?? "", HOME: home, ...more },
      stdout: "pipe",
      stderr: "pipe",
    });
  };
  const run = async (words: string, more: Record<string, string> = {}) => {
    const child = inHome(words, more);
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { exitCode: await child.exited, stdout, stderr };
  };
  expect((await run(`login ${address}`, { DEADLETTER_KEY: server.adminKey })).exitCode).toBe(0);
  await Bun.write(join(home, "links.csv"), "short_code,original_url\nmine,https://a.example/\n");
  const imported = await run("import csv links.csv");
  expect([imported.exitCode, imported.stderr]).toEqual([2, expect.stringContaining("you are logged in to")]);
  expect(existsSync(join(home, "data"))).toBe(false);
  expect((await run("users create --admin --data-dir ./data")).exitCode).toBe(0);
  const made = await run("shorten https://b.example/ --code there");
  expect([made.exitCode, made.stderr]).toEqual([0, expect.stringContaining(`on ${address}, profile default`)]);
  expect((await server.call("GET", "/urls/there")).status).toBe(200);
  expect((await run("list --data-dir ./data --json")).stdout).toBe("[]\n");
  // What a name may not be is said before anything is kept.
  for (const name of ["'my prod'", "__proto__"])
    expect((await run(`login ${address} --profile ${name}`, { DEADLETTER_KEY: server.adminKey })).exitCode).toBe(2);
  expect((await run("profiles")).stdout).toBe(`default\t${address}\tfile\n`);
  expect((await run("logout --profile constructor")).exitCode).toBe(3);
  const shown = await run(`login ${address} ${server.adminKey}`);
  expect([shown.exitCode, shown.stderr.includes(server.adminKey)]).toEqual([2, false]);
  await server.close();
  store.remove();
}, 60_000);

test("serve --quiet still shows the key, which is shown once", async () => {
  const home = newHome();
  const { key, child } = await startServe({ HOME: home, DEADLETTER_DATA_DIR: join(home, "data"), PORT: "0" }, [
    "--quiet",
  ]);
  expect(key).toStartWith("dl_");
  child.kill("SIGTERM");
  await child.exited;
});

test("a wrong key is not kept, and a key comes from standard input or the environment, never from argv", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  const home = newHome();
  const address = server.listeners.apiUrl;
  const wrong = await runDeadletter(["login", address], { HOME: home, DEADLETTER_KEY: `dl_${"x".repeat(43)}` });
  expect([wrong.exitCode, existsSync(join(home, ".config"))]).toEqual([5, false]);
  const none = await runDeadletter(["login", address], { HOME: home });
  expect([none.exitCode, none.stderr]).toEqual([2, expect.stringContaining("a key is needed")]);
  const piped = Bun.spawn(
    ["sh", "-c", `printf '%s\\n' "$KEY" | ${commandLine().join(" ")} login ${address} --profile ci --json`],
    {
      env: { PATH: process.env.PATH ?? "", HOME: home, KEY: server.adminKey },
    },
  );
  expect(JSON.parse(await new Response(piped.stdout).text())).toEqual({
    profile: "ci",
    server: address,
    username: "admin",
    role: "admin",
    key: "file",
  });
  expect((await runDeadletter(["list", "--json"], { HOME: home, DEADLETTER_PROFILE: "ci" })).stdout).toBe("[]\n");
  await server.close();
  store.remove();
}, 60_000);
