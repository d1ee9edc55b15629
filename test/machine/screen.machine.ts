// admin and dashboard in tmux, as people have them: every tab and action, mistakes in every form, a small window, a resize, a server
// that stops and starts again, a hundred thousand links. Screens are kept as text in test/machine/screens/.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStore, startServer, type TestServer, type TestStore, until } from "../support/harness.ts";
import { commandLine } from "../support/process.ts";

const SCREENS = join(import.meta.dir, "screens");
const LINKS = 100_000;
const BATCH = 5_000;

let store: TestStore;
let server: TestServer;
let port = "";
let sequencing: ReturnType<typeof setInterval>;
const sockets = mkdtempSync(join(tmpdir(), "deadletter-tmux-"));

/** The server that is asked runs in this process: tmux must not be waited for in one go. */
async function run(...command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const text = await new Response(child.stdout).text();
  await child.exited;
  return text;
}

class Tmux {
  /** Those that a test that failed has left. */
  static readonly open = new Set<Tmux>();
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
    Tmux.open.add(this);
  }

  static async start(name: string, words: readonly string[], { width = 120, height = 30 } = {}): Promise<Tmux> {
    const tmux = new Tmux(name);
    // Nothing of the test's own settings may reach the program.
    const environment = {
      PATH: process.env.PATH ?? "",
      HOME: sockets,
      LANG: "C.UTF-8",
      DEADLETTER_SERVER: server.listeners.apiUrl,
      DEADLETTER_KEY: server.adminKey,
    };
    const set = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
    await tmux.ask(
      "new-session",
      "-d",
      "-s",
      "main",
      "-x",
      String(width),
      "-y",
      String(height),
      `env -i TERM="$TERM" ${set.join(" ")} ${[...commandLine(), ...words].join(" ")}; echo "EXIT $?"; exec sleep 600`,
    );
    return tmux;
  }

  /** A shell in which $PROGRAM is the program. */
  static async startShell(name: string): Promise<Tmux> {
    const tmux = new Tmux(name);
    const set = `PATH=${process.env.PATH} HOME=${sockets} LANG=C.UTF-8 PS1='$ ' DEADLETTER_SERVER=${server.listeners.apiUrl} DEADLETTER_KEY=${server.adminKey}`;
    const command = `env -i TERM="$TERM" ${set} PROGRAM='${commandLine().join(" ")}' bash --norc --noprofile -i`;
    await tmux.ask("new-session", "-d", "-s", "main", "-x", "120", "-y", "30", command);
    return tmux;
  }

  ask(...words: string[]): Promise<string> {
    return run("tmux", "-S", join(sockets, this.#name), ...words);
  }

  screen(): Promise<string> {
    return this.ask("capture-pane", "-p", "-t", "main");
  }

  /** Waits until the screen, as it is now, has this. */
  async shows(text: string): Promise<void> {
    let screen = "";
    await until(
      `the screen shows ${JSON.stringify(text)}`,
      async () => {
        screen = await this.screen();
        return screen.includes(text);
      },
      20_000,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; it shows\n${screen}`);
    });
  }

  async at(text: string, ...keys: string[]): Promise<void> {
    await this.shows(text);
    for (const key of keys)
      await this.ask("send-keys", "-t", "main", ...(key.startsWith("=") ? ["-l", key.slice(1)] : [key]));
  }

  async keep(name: string): Promise<void> {
    mkdirSync(SCREENS, { recursive: true });
    writeFileSync(join(SCREENS, `${name}.txt`), await this.screen());
  }

  async end(): Promise<void> {
    Tmux.open.delete(this);
    await this.ask("kill-server");
  }
}

beforeAll(async () => {
  store = await createStore("sqlite");
  server = await startServer(store);
  port = String(server.listeners.port);
  for (let from = 0; from < LINKS; from += BATCH) {
    const rows = Array.from({ length: BATCH }, (_, index) => {
      const number = from + index;
      return JSON.stringify({
        original_url: `https://shop.example/page/${number}`,
        short_code: `link-${number}`,
        title: `Page ${number}`,
      });
    });
    const answer = await fetch(`${server.listeners.apiUrl}/urls/bulk`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.adminKey}`, "content-type": "application/x-ndjson" },
      body: rows.join("\n"),
    });
    await answer.text();
  }
  await server.sequence();
  // As `serve` does by itself.
  sequencing = setInterval(() => void server.sequence().catch(() => {}), 200);
}, 240_000);

afterEach(async () => {
  for (const tmux of Tmux.open) await tmux.end();
});

afterAll(async () => {
  clearInterval(sequencing);
  await server.close();
  store.remove();
  rmSync(sockets, { recursive: true, force: true });
});

describe("admin", () => {
  test("among a hundred thousand links one is found as it is typed, and shown", async () => {
    const tmux = await Tmux.start("search", ["admin"]);
    await tmux.at("link-99999", "/");
    await tmux.at("/ ", "=link-54321");
    await tmux.shows("https://shop.example/page/54321");
    await tmux.shows("in the signed log");
    await tmux.keep("admin-search");
    await tmux.at("54321", "Enter", "Escape");
    await tmux.at("link-99999", "End");
    // Pages are read as they are scrolled to.
    await tmux.shows("link-99900");
    await tmux.at("200+ links", "End");
    await tmux.shows("link-99800");
    await tmux.at("links", "o", "s", "s", "s");
    await tmux.at("by clicks", "C-c");
    await tmux.shows("EXIT 130");
    await tmux.end();
  }, 60_000);

  test("every action on links, with a mistake in each form that loses nothing", async () => {
    const { id: eve } = (await server.call("POST", "/users", { username: "eve", email: "eve@example.com" })).json;
    const tmux = await Tmux.start("links", ["admin"]);
    await tmux.at("n new link", "n");
    await tmux.at("◆  Target", "=ftp://x", "Enter");
    await tmux.at("scheme must be http or https", "C-u", "=shop.example/new", "Enter");
    await tmux.at("◆  Short code", "=link-1", "Enter");
    await tmux.at("is taken", "C-u", "=fresh", "Enter");
    await tmux.at("◆  Title", "=A fresh page", "Enter");
    await tmux.at("◆  Tags", "=a,,b c, a", "Enter");
    await tmux.at("◆  Expires", "=1.12.2026", "Enter");
    await tmux.at("is two days", "C-u", "=7d", "Enter");
    await tmux.at("created http", "e");
    await tmux.at("◆  Target", "C-u", "=nonsense", "Enter");
    await tmux.at("nonsense", "C-u", "=shop.example/newer", "Enter");
    await tmux.at("◆  Title", "Enter");
    await tmux.at("◆  Tags", "Enter");
    await tmux.at("◆  Expires", "Enter");
    await tmux.at("◆  Reason", "=moved", "Enter");
    await tmux.at("now at version 2", "r");
    await tmux.shows('+ "https://shop.example/newer"');
    await tmux.keep("admin-history");
    await tmux.at("fresh", "v");
    await tmux.at("◆  To which version?", "Enter");
    await tmux.at("◆  Reason", "Enter");
    await tmux.at("as version 3", "d");
    await tmux.at("◆  Why?", "Enter");
    await tmux.at("Delete fresh?", "y");
    await tmux.shows("deleted fresh");
    await tmux.at("inactive", "u");
    await tmux.at("◆  Reason", "Enter");
    // The palette has what has no key.
    await tmux.at("restored http", ":");
    await tmux.at("What next?", "=filter tag");
    await tmux.keep("admin-palette");
    await tmux.at("Filter by tag", "Enter");
    await tmux.at("◆  Which tag?", "Enter");
    await tmux.at("only links with the tag", "Escape");
    await tmux.at("link-99999", ":", "=rename", "Enter");
    await tmux.at("◆  Which tag?", "Enter");
    await tmux.at("◆  Its new name", "C-u", "=x,y", "Enter");
    await tmux.at("comma", "C-u", "=aa", "Enter");
    await tmux.at("with an event each?", "y");
    await tmux.at("renamed a to aa", ":", "=hand over", "Enter");
    await tmux.at("◆  To whom?", "Enter");
    await tmux.at("◆  Reason", "Enter");
    await tmux.at("is eve's now", ":", "=filter owner", "Enter");
    await tmux.at("◆  Whose?", "Down", "Enter");
    await tmux.at("only links of eve", "Escape");
    await tmux.at("link-99999", "C-c");
    await tmux.shows("EXIT 130");
    await tmux.end();
    expect((await server.call("GET", "/urls/fresh")).json).toMatchObject({
      original_url: "https://shop.example/new",
      title: "A fresh page",
      tags: ["aa", "b c"],
      user_id: eve,
      is_active: true,
    });
    expect(
      (await server.call("GET", "/urls/fresh/events")).json.map((event: { event_type: string }) => event.event_type),
    ).toEqual(["created", "updated", "updated", "deleted", "restored", "updated", "updated"]);
  }, 90_000);

  test("people and keys: made, edited, revoked, deactivated, activated, erased", async () => {
    const tmux = await Tmux.start("people", ["admin"]);
    await tmux.at("3 People", "3");
    await tmux.at("admin@localhost", "n");
    await tmux.at("◆  Username", "=two words", "Enter");
    await tmux.at("username: ", "C-u", "=ada", "Enter");
    await tmux.at("◆  Email", "=nowhere", "Enter");
    await tmux.at("email: ", "C-u", "=ada@example.com", "Enter");
    await tmux.at("created ada", "Down", "Down");
    await tmux.at("none; m makes one", "e");
    await tmux.at("◆  Username", "Enter");
    await tmux.at("◆  Email", "C-u", "=ada@example.org", "Enter");
    await tmux.at("now at version 2", "m");
    await tmux.at("◆  Role", "Down", "Enter");
    await tmux.at("What is it for?", "=laptop", "Enter");
    await tmux.at("◆  Expires", "=soon", "Enter");
    await tmux.at("is not a time", "C-u", "=90d", "Enter");
    await tmux.at("shown once", "Enter");
    await tmux.shows("made key");
    await tmux.shows("creator");
    await tmux.keep("admin-people");
    await tmux.at("laptop", "x");
    await tmux.at("◆  Which key?", "Enter");
    await tmux.at("◆  Reason", "=lost", "Enter");
    await tmux.at("Revoke it?", "y");
    await tmux.at("revoked key", "d");
    await tmux.at("What becomes of its links?", "Enter");
    await tmux.at("◆  Reason", "Enter");
    await tmux.at("revoke all of its keys?", "y");
    await tmux.at("deactivated ada", "a");
    await tmux.at("◆  Reason", "Enter");
    await tmux.at("activated ada", ":", "=erase", "Enter");
    await tmux.at("◆  Reason", "Enter");
    await tmux.at("Type ada to erase it", "=eva", "Enter");
    await tmux.at("that is not ada", "C-u", "=ada", "Enter");
    await tmux.at("erased ada", "q");
    await tmux.shows("EXIT 0");
    await tmux.end();
  }, 60_000);

  test("incidents: taken down, undone, told of, closed; events, the log and health are there", async () => {
    const tmux = await Tmux.start("incidents", ["admin"]);
    await server.call("POST", "/urls", { original_url: "https://login.evil.example/", short_code: "bait" });
    await tmux.at("4 Incidents", "4");
    await tmux.at("t takes links down", "t");
    await tmux.at("What do they have in common?", "Enter");
    await tmux.at("Which?", "=not a host", "Enter");
    await tmux.at("is not a host", "C-u", "=evil.example", "Enter");
    await tmux.at("◆  Why?", "=phishing", "Enter");
    await tmux.at("until the incident is closed?", "y");
    await tmux.at("Take down 1 active link?", "y");
    await tmux.shows("took down 1 link");
    await tmux.keep("admin-incidents");
    await tmux.at("holding", "m");
    await tmux.at("Take down what matches by now", "y");
    await tmux.at("1 link down for it", "Enter");
    await tmux.at("# Incident", "Escape");
    await tmux.at("phishing", "p");
    await tmux.at("Into which file?", "C-u", `=${sockets}`, "Enter");
    await tmux.at("cannot write", "C-u", `=${join(sockets, "report.md")}`, "Enter");
    await tmux.at("wrote ", "u");
    await tmux.at("Bring back the 1 link", "y");
    await tmux.at("1 link brought back", "c");
    await tmux.at("◆  Reason", "Enter");
    await tmux.at("Its hold ends.", "y");
    await tmux.at("closed incident", "1");
    await tmux.at("bait", "t");
    await tmux.at("What do they have in common?", "Enter");
    // The host of the link that was chosen is there already.
    await tmux.at("login.evil.example", "Escape");
    await tmux.at("nothing was changed", "2");
    await tmux.shows("evil.example");
    await tmux.keep("admin-events");
    await tmux.at("HAPPENED", "5");
    await tmux.shows("verified");
    await tmux.keep("admin-log");
    await tmux.at("quarantine", "6");
    await tmux.shows("database");
    await tmux.keep("admin-health");
    await tmux.at("database", "?");
    await tmux.at("Leave at once", "x", "q");
    await tmux.shows("EXIT 0");
    await tmux.end();
    expect(await Bun.file(join(sockets, "report.md")).text()).toContain("bait");
    expect((await server.call("GET", "/urls/bait")).json.is_active).toBe(true);
  }, 60_000);

  test("Escape and Ctrl-C leave every form, and nothing was changed", async () => {
    // One that has an earlier version, and is the first in the list.
    await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "leaver" });
    await server.call("PUT", "/urls/leaver", { title: "left" });
    const tmux = await Tmux.start("leave", ["admin"]);
    const before = (await server.call("GET", "/stats")).json.events;
    await tmux.shows("link-99999");
    for (const [tab, form, question] of [
      ["1", "n", "Target"],
      ["1", "e", "Target"],
      ["1", "d", "Why?"],
      ["1", "v", "To which version?"],
      ["3", "n", "Username"],
      ["3", "m", "Role"],
      ["4", "t", "What do they have in common?"],
    ] as const)
      for (const leave of ["Escape", "C-c"]) {
        await tmux.at("q quit", tab, form);
        // Of the forms before some text stands there still: the sign is of the question that is asked.
        await tmux.at(`◆  ${question}`, leave);
        await tmux.shows("nothing was changed");
        await tmux.at("q quit", "5");
        await tmux.shows("quarantine");
      }
    await tmux.at("q quit", "q");
    await tmux.shows("EXIT 0");
    await tmux.end();
    expect((await server.call("GET", "/stats")).json.events).toEqual(before);
  }, 90_000);

  test("60 columns are enough, a resize is followed, and a server that stops and starts loses nothing", async () => {
    const tmux = await Tmux.start("small", ["admin"], { width: 60, height: 20 });
    await tmux.at("q quit", "Enter");
    await tmux.shows("target");
    await tmux.keep("admin-60x20");
    for (const line of (await tmux.screen()).split("\n")) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(60);
    await tmux.at("target", "Escape");
    await tmux.ask("resize-window", "-t", "main", "-x", "140", "-y", "40");
    await tmux.shows("│ target");
    await server.close();
    await tmux.shows("the server cannot be reached; trying again");
    await tmux.shows("│ target");
    await tmux.keep("admin-lost");
    const { adminKey } = server;
    server = { ...(await startServer(store, { PORT: port })), adminKey };
    await until("it is read again", async () => !(await tmux.screen()).includes("cannot be reached"), 20_000);
    await tmux.at("q quit", "C-c");
    await tmux.shows("EXIT 130");
    await tmux.end();
  }, 60_000);
});

describe("a slow server", () => {
  test("is waited for with a word and a way out, and what was read stays", async () => {
    let delayMs = 0;
    const target = server.listeners.apiUrl;
    const slow = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        await Bun.sleep(delayMs);
        const url = new URL(request.url);
        return fetch(`${target}${url.pathname}${url.search}`, { headers: request.headers });
      },
    });
    const tmux = await Tmux.start("slow", ["admin", "--server", `http://127.0.0.1:${slow.port}`]);
    await tmux.shows("link-99999");
    delayMs = 5_000;
    await tmux.at("q quit", "r");
    await tmux.shows("waiting for the server; Esc stops waiting");
    await tmux.shows("link-99999");
    await tmux.at("Esc stops waiting", "Escape");
    await tmux.shows("not waiting any more; r reads again");
    delayMs = 0;
    await tmux.at("r reads again", "r", "5");
    await tmux.shows("quarantine");
    await tmux.at("quarantine", "C-c");
    await tmux.shows("EXIT 130");
    await tmux.end();
    await slow.stop(true);
  }, 60_000);
});

describe("what is in between", () => {
  test("answers as a proxy's own page is said, not believed: on every screen, and it goes on afterwards", async () => {
    let body: string | undefined;
    const target = server.listeners.apiUrl;
    const between = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        if (body !== undefined)
          return new Response(body, {
            headers: { "content-type": body.startsWith("<") ? "text/html" : "application/json" },
          });
        const url = new URL(request.url);
        return fetch(`${target}${url.pathname}${url.search}`, { headers: request.headers });
      },
    });
    for (const [words, sign] of [
      [["admin"], "link-9999"],
      [["dashboard"], "Redirects"],
      [["list", "--watch"], "link-9999"],
    ] as const) {
      body = undefined;
      const tmux = await Tmux.start(`between-${words[0]}`, [...words, "--server", `http://127.0.0.1:${between.port}`]);
      await tmux.shows(sign);
      for (const wrong of ["<html>Log in to the Wi-Fi</html>", "{}", "[{}]"]) {
        body = wrong;
        await tmux.shows("did not answer as deadletter does");
        body = undefined;
        await until(
          `${words} goes on after ${wrong}`,
          async () => !(await tmux.screen()).includes("did not answer"),
          20_000,
        );
      }
      await tmux.at(sign, "q");
      await tmux.shows("EXIT 0");
      await tmux.end();
    }
    await between.stop(true);
  }, 120_000);

  test("Ctrl-Z gives the terminal back, and fg goes on with every key", async () => {
    const shell = await Tmux.startShell("stopped");
    await shell.at("$", "=$PROGRAM admin", "Enter");
    await shell.at("link-9999", "C-z");
    await shell.at("Stopped", "=fg", "Enter");
    await shell.at("link-9999", "5");
    await shell.at("quarantine", "q");
    await shell.shows("$");
    await shell.end();
  }, 60_000);
});

describe("dashboard", () => {
  test("draws in place what the server does, survives its end, and asks once a second at the most", async () => {
    const asked: number[] = [];
    const target = server.listeners.apiUrl;
    const counting = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        asked.push(Date.now());
        const url = new URL(request.url);
        return fetch(`${target}${url.pathname}${url.search}`, { headers: request.headers });
      },
    });
    const tmux = await Tmux.start("dashboard", ["dashboard", "--server", `http://127.0.0.1:${counting.port}`]);
    await tmux.shows("Redirects");
    for (let index = 0; index < 200; index++)
      await fetch(`${server.listeners.baseUrl}/link-${index}`, {
        redirect: "manual",
        headers: { "user-agent": "Mozilla/5.0 Chrome/120" },
      });
    await tmux.shows("p99");
    await tmux.shows("HAPPENED");
    await tmux.keep("dashboard");
    await tmux.ask("resize-window", "-t", "main", "-x", "60", "-y", "20");
    await tmux.shows("processes");
    for (const line of (await tmux.screen()).split("\n")) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(60);
    await tmux.keep("dashboard-60x20");
    await counting.stop(true);
    await tmux.shows("trying again");
    await tmux.at("Redirects", "C-c");
    await tmux.shows("EXIT 130");
    await tmux.end();
    const gaps = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
    // A timer may be late, and then the next one is on time.
    expect(gaps.filter((gap) => gap < 500)).toEqual([]);
  }, 60_000);
});
