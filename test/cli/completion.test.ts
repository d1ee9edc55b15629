// Completion: what may stand in the place of the word that is being typed, and bash, which asks for it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualPages } from "../../build/man.ts";
import { COMMANDS, SECTIONS } from "../../src/cli/commands.ts";
import { complete } from "../../src/cli/complete.ts";
import { SCRIPTS, SHELLS } from "../../src/cli/completions.ts";
import { createStore, startServer, type TestServer, type TestStore } from "../support/harness.ts";
import { commandLine, runDeadletter } from "../support/process.ts";

const wordsOf = (...words: string[]) => complete(words, COMMANDS).words.map(({ word }) => word);

test("commands, their second words, flags and the words that a flag takes are known", () => {
  expect(wordsOf("moni")).toEqual(["monitoring"]);
  expect(wordsOf("monitoring", "")).toEqual(["rules", "dashboard", "alertmanager"]);
  expect(wordsOf("monitoring", "rules", "--disk")).toEqual(["--disk-free"]);
  expect(wordsOf("serve", "--log-f")).toEqual(["--log-format"]);
  expect(wordsOf("verify", "--checkp")).toEqual(["--checkpoint"]);
  expect(wordsOf("clicks", "sale", "--by", "d")).toEqual(["day", "device"]);
  expect(wordsOf("rm", "sale", "--reason", "")).toContain("duplicate");
  expect(wordsOf("completions", "z")).toEqual(["zsh"]);
  expect(wordsOf("help", "t")).toContain("takedown");
  expect(wordsOf("nonsense", "")).toEqual([]);
  // What the program itself starts is nobody's to type.
  expect(wordsOf("serve-w")).toEqual([]);
});

test("a place that names something says what", () => {
  const kindOf = (...words: string[]) => complete(words, COMMANDS).kind;
  expect(kindOf("show", "")).toBe("codes");
  expect(kindOf("show", "sale", "")).toBeUndefined();
  expect(kindOf("show", "--at", "7d", "")).toBe("codes");
  expect(kindOf("keys", "revoke", "")).toBe("users");
  expect(kindOf("list", "--owner", "")).toBe("users");
  expect(kindOf("list", "--tag", "")).toBe("tags");
  expect(kindOf("list", "--profile", "")).toBe("profiles");
  expect(kindOf("bulk", "")).toBe("files");
  expect(kindOf("log", "keygen", "--out", "")).toBe("files");
});

test("every command and every flag is found by its beginning", () => {
  for (const { name, flags, isInternal } of COMMANDS) {
    if (isInternal) continue;
    const words = name.split(" ");
    expect([name, wordsOf(...words.slice(0, -1), words.at(-1) ?? "")]).toEqual([
      name,
      expect.arrayContaining([words.at(-1) ?? ""]),
    ]);
    for (const flag of flags)
      expect([name, wordsOf(...words, `--${flag.name}`)]).toEqual([name, expect.arrayContaining([`--${flag.name}`])]);
  }
});

test.each([...SHELLS])("%s takes its script without a complaint", async (shell) => {
  const { stdout, exitCode } = await runDeadletter(["completions", shell], {});
  expect([exitCode, stdout]).toEqual([0, SCRIPTS[shell]]);
  if (Bun.which(shell) === null) return;
  const checked = Bun.spawnSync([shell, "-n"], { stdin: Buffer.from(stdout) });
  expect([checked.exitCode, checked.stderr.toString()]).toEqual([0, ""]);
});

test("an unknown shell is refused by name", async () => {
  const { exitCode, stderr } = await runDeadletter(["completions", "tcsh"], {});
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining("bash, zsh, fish")]);
});

describe("names of a server", () => {
  let store: TestStore;
  let server: TestServer;
  const folder = mkdtempSync(join(tmpdir(), "deadletter-completion-"));
  let environment: Record<string, string> = {};

  beforeAll(async () => {
    store = await createStore("sqlite");
    server = await startServer(store);
    environment = { DEADLETTER_SERVER: server.listeners.apiUrl, DEADLETTER_KEY: server.adminKey };
    await server.call("POST", "/urls", {
      original_url: "https://a.b/",
      short_code: "sale",
      title: "Spring sale",
      tags: ["spring"],
    });
    await server.call("POST", "/users", { username: "ada", email: "ada@example.com" });
    writeFileSync(join(folder, "deadletter"), `#!/bin/sh\nexec ${commandLine().join(" ")} "$@"\n`);
    chmodSync(join(folder, "deadletter"), 0o755);
    writeFileSync(join(folder, "script"), SCRIPTS.bash);
  });
  afterAll(async () => {
    await server.close();
    store.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("are offered: codes, users and tags, each with what it is", async () => {
    const offered = async (...words: string[]) =>
      (await runDeadletter(["complete", "--", ...words], environment)).stdout;
    expect(await offered("show", "s")).toBe("sale\tSpring sale\n");
    expect(await offered("show", "x")).toBe("");
    expect(await offered("users", "show", "a")).toBe("admin\tadmin@localhost\nada\tada@example.com\n");
    expect(await offered("list", "--tag", "")).toBe("spring\t1 links\n");
  });

  test("are left out where the server cannot be asked, and nothing is said", async () => {
    for (const bad of [
      { DEADLETTER_SERVER: "http://127.0.0.1:1", DEADLETTER_KEY: "x" },
      { DEADLETTER_NONSENSE: "1" },
      {},
    ]) {
      const asked = await runDeadletter(["complete", "--", "show", ""], bad as Record<string, string>);
      expect(asked).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    }
  });

  test.skipIf(Bun.which("bash") === null)("are offered by bash itself", async () => {
    const offered = async (...words: string[]) => {
      const typed = ["deadletter", ...words].map((word) => `'${word}'`).join(" ");
      const script = `source ./script; compopt() { :; }; COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _deadletter; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const env = { ...environment, HOME: folder, PATH: `${folder}:${process.env.PATH}` };
      // The server that is asked runs in this process.
      const child = Bun.spawn(["bash", "-c", script], { cwd: folder, env });
      return (await new Response(child.stdout).text()).trim().split("\n");
    };
    expect(await offered("show", "sa")).toEqual(["sale"]);
    expect(await offered("users", "show", "")).toEqual(["admin", "ada"]);
    expect(await offered("monitoring", "")).toEqual(["rules", "dashboard", "alertmanager"]);
    expect(await offered("bulk", "scr")).toEqual(["script"]);
    // Whatever somebody called a tag, the shell that is given it runs none of it.
    await server.call("PUT", "/urls/sale", { tags: ["$(touch pwned)", "two words"] });
    expect(await offered("list", "--tag", "$")).toEqual(["\\$\\(touch\\ pwned\\)"]);
    expect(await offered("list", "--tag", "two")).toEqual(["two\\ words"]);
    await server.call("PUT", "/urls/sale", { tags: ["spring"] });
  });
});

test("manual pages name every command, flag and setting", () => {
  const pages = new Map(manualPages(SECTIONS).map(({ file, text }) => [file, text.replaceAll("\\-", "-")]));
  const main = pages.get("deadletter.1") ?? "";
  for (const { name, flags, isInternal } of COMMANDS) {
    const own = pages.get(`deadletter-${name.replaceAll(" ", "-")}.1`);
    expect([name, own !== undefined, main.includes(`deadletter-${name.replaceAll(" ", "-")} `)]).toEqual([
      name,
      !isInternal,
      !isInternal,
    ]);
    for (const flag of flags) if (!isInternal) expect(own).toContain(`--${flag.name}`);
  }
  expect(main).toContain("DEADLETTER_ALERT_WEBHOOK_FILE");
});
