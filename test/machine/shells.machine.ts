// Completion in real shells, with keys typed into them, and manual pages as man reads them.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualPages } from "../../build/man.ts";
import { SECTIONS } from "../../src/cli/commands.ts";
import { SCRIPTS, SHELLS } from "../../src/cli/completions.ts";
import { createStore, startServer, type TestServer, type TestStore, until } from "../support/harness.ts";
import { commandLine } from "../support/process.ts";

const TAB = "\t";
const CTRL_U = "\u0015";

describe("completion", () => {
  const home = mkdtempSync(join(tmpdir(), "deadletter-shells-"));
  let store: TestStore;
  let server: TestServer;

  beforeAll(async () => {
    store = await createStore("sqlite");
    server = await startServer(store);
    await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "summer-sale", tags: ["spring"] });
    await server.call("POST", "/users", { username: "ada", email: "ada@example.com" });
    mkdirSync(join(home, "bin"));
    writeFileSync(join(home, "bin/deadletter"), `#!/bin/sh\nexec ${commandLine().join(" ")} "$@"\n`);
    chmodSync(join(home, "bin/deadletter"), 0o755);
    for (const shell of SHELLS) writeFileSync(join(home, `deadletter.${shell}`), SCRIPTS[shell]);
  });
  afterAll(async () => {
    await server.close();
    store.remove();
    rmSync(home, { recursive: true, force: true });
  });

  const STARTS = {
    bash: { command: ["bash", "--norc", "--noprofile", "-i"], load: "PS1='> '; source ./deadletter.bash" },
    zsh: { command: ["zsh", "-f", "-i"], load: "PS1='> '; autoload -U compinit; compinit -u; source ./deadletter.zsh" },
    fish: { command: ["fish", "--no-config", "-i"], load: "source ./deadletter.fish" },
  };

  test.each([...SHELLS])("in %s offers commands, codes, users and tags", async (shell) => {
    let screen = "";
    const child = Bun.spawn(STARTS[shell].command, {
      cwd: home,
      env: {
        PATH: `${join(home, "bin")}:${process.env.PATH}`,
        HOME: home,
        TERM: "xterm",
        LANG: "C.UTF-8",
        DEADLETTER_SERVER: server.listeners.apiUrl,
        DEADLETTER_KEY: server.adminKey,
      },
      terminal: {
        cols: 120,
        rows: 30,
        data: (terminal, chunk) => {
          const text = new TextDecoder().decode(chunk);
          // fish asks the terminal what it is, and waits for an answer (xterm's control sequences, DA1).
          if (text.includes("\u001b[c") || text.includes("\u001b[0c")) terminal.write("\u001b[?62;c");
          screen += Bun.stripANSI(text);
        },
      },
    });
    const type = (keys: string) => child.terminal?.write(keys);
    const shows = (text: string) =>
      until(`${shell} shows ${text}; it shows ${screen}`, () => screen.includes(text), 20_000);
    type(`${STARTS[shell].load}; echo rea''dy\r`);
    await shows("ready");
    for (const [typed, completed] of [
      ["deadletter monitoring al", "alertmanager"],
      ["deadletter show summ", "summer-sale"],
      ["deadletter users show ad", "ada"],
      ["deadletter list --tag spr", "spring"],
    ] as const) {
      screen = "";
      type(typed);
      type(TAB);
      // "ad" is the beginning of two names: the second press shows both.
      if (completed === "ada") type(TAB);
      await shows(completed === "ada" ? "ada" : completed.slice(typed.length - typed.lastIndexOf(" ") - 1));
      type(CTRL_U);
    }
    type("exit\r");
    await child.exited;
  });
});

test("man reads every page without a warning", () => {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-man-"));
  for (const { file, text } of manualPages(SECTIONS)) {
    writeFileSync(join(folder, file), text);
    const linted = Bun.spawnSync(["mandoc", "-T", "lint", "-W", "warning", join(folder, file)]);
    expect([file, linted.stdout.toString()]).toEqual([file, ""]);
    const shown = Bun.spawnSync(["man", "--warnings", "-l", join(folder, file)], {
      env: { PATH: process.env.PATH ?? "", LC_ALL: "C.UTF-8", MANWIDTH: "80" },
    });
    expect([file, shown.stderr.toString()]).toEqual([file, ""]);
    expect(shown.stdout.toString()).toContain("NAME");
  }
  rmSync(folder, { recursive: true, force: true });
});
