// The first minutes: deadletter without a word where there is nothing yet, and what serve says to a person.

import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStore, startServer } from "../support/harness.ts";
import { commandLine, runDeadletter } from "../support/process.ts";
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
