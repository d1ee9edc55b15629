// The admin screen in a real terminal: keys are typed, the screen is read, and what was done is asked of the store.

import { expect, test } from "bun:test";
import { createStore, startServer } from "../support/harness.ts";
import { commandLine, runDeadletter } from "../support/process.ts";
import { CTRL_C, CTRL_U, DOWN, ENTER, ESCAPE, openTerminal } from "../support/screen.ts";

const ADMIN = [...commandLine(), "admin"];

/** The terminal is given back: no alternate screen, a cursor, no bracketed paste. */
function expectClean(raw: string): void {
  for (const [on, off] of [
    ["\u001b[?1049h", "\u001b[?1049l"],
    ["\u001b[?25l", "\u001b[?25h"],
    ["\u001b[?2004h", "\u001b[?2004l"],
  ] as const)
    expect([on, raw.lastIndexOf(off) > raw.lastIndexOf(on)]).toEqual([on, true]);
}

test("create, edit, delete, restore, revert and make a key, on the screen", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  const { at, exited, raw } = openTerminal(ADMIN, { ...store.environment, DEADLETTER_KEY: server.adminKey });

  await at("no links; n makes one", "n");
  // What is wrong is said at once, and what was typed is kept.
  await at("Target", `javascript:x${ENTER}`);
  await at("scheme must be http or https", CTRL_U);
  await at("Target", `example.com/from-screen${ENTER}`);
  await at("Short code", `screen${ENTER}`);
  await at("Title", `Made by hand${ENTER}`);
  await at("Tags", `hand, made${ENTER}`);
  await at("Expires", ENTER);
  await at("created http", "");
  const made = (await server.call("GET", "/urls/screen")).json;
  expect(made).toMatchObject({ title: "Made by hand", tags: ["hand", "made"], user_id: server.adminId });
  expect(made.original_url).toBe("https://example.com/from-screen");
  expect(made.events[0].actor.via).toMatch(/^cli:uid-\d+$/);

  await at("screen", "e");
  await at("Target", `/edited${ENTER}`);
  await at("Title", ENTER);
  await at("Tags", ENTER);
  await at("Expires", ENTER);
  await at("Reason", `typed${ENTER}`);
  await at("version 2", "");
  expect((await server.call("GET", "/urls/screen")).json).toMatchObject({
    original_url: "https://example.com/from-screen/edited",
    version: 2,
  });

  await at("screen", "d");
  await at("Why?", DOWN + ENTER);
  await at("Delete screen?", "y");
  await at("deleted screen", "");
  expect((await server.call("GET", "/urls/screen/events")).json.at(-1)).toMatchObject({
    event_type: "deleted",
    reason: "policy_cleanup",
  });

  await at("inactive", "u");
  await at("Reason", ENTER);
  await at("restored http", "");
  expect((await server.call("GET", "/urls/screen")).json).toMatchObject({ is_active: true, version: 4 });

  await at("screen", "v");
  await at("To which version?", DOWN + DOWN + ENTER);
  await at("Reason", ENTER);
  await at("as it was at version 1", "");
  expect((await server.call("GET", "/urls/screen")).json).toMatchObject({
    original_url: "https://example.com/from-screen",
    version: 5,
  });

  // A form that is left changes nothing.
  await at("screen", "d");
  await at("Why?", ESCAPE);
  await at("cancelled; nothing was changed", "3");
  await at("admin@localhost", "m");
  await at("Role", ENTER);
  await at("What is it for?", `screen test${ENTER}`);
  await at("Expires", `90d${ENTER}`);
  await at("dl_", ENTER);
  await at("made key", "");
  expect((await server.call("GET", `/users/${server.adminId}/keys`)).json.at(-1)).toMatchObject({
    name: "screen test",
    role: "reader",
  });

  await at("q quit", "q");
  expect(await exited).toBe(0);
  expectClean(raw());
  expect(await server.verify()).toEqual([]);
  await server.close();
  store.remove();
}, 120_000);

test("a code that is taken is said before the next question, and a form outlives a server that does not", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "taken" });
  const { at, exited, raw } = openTerminal(ADMIN, {
    DEADLETTER_SERVER: server.listeners.apiUrl,
    DEADLETTER_KEY: server.adminKey,
  });
  await at("taken", "n");
  await at("Target", `https://example.com/${ENTER}`);
  await at("Short code", `taken${ENTER}`);
  await at("taken is taken", `${CTRL_U}free${ENTER}`);
  await at("Title", ENTER);
  await at("Tags", ENTER);
  await at("Expires", "");
  await server.close();
  await at("never; or 7d", `7d${ENTER}`);
  await at("the server cannot be reached", "");
  const back = await startServer(store, { PORT: String(server.listeners.port) });
  // All is asked again, as it was typed.
  for (const [question, typed] of [
    ["Target", "https://example.com/"],
    ["Short code", "free"],
    ["Title", ""],
    ["Tags", ""],
    ["Expires", "7d"],
  ] as const) {
    await at(question, "");
    await at(typed, ENTER);
  }
  await at("created http", CTRL_C);
  expect(await exited).toBe(130);
  expectClean(raw());
  expect((await back.call("GET", "/urls/free", undefined, { key: server.adminKey })).status).toBe(200);
  await back.close();
  store.remove();
}, 60_000);

test("a link that was made, and whose answer was lost, is not made again, with a code of its own or without", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  let isLost = true;
  const between = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const url = new URL(request.url);
      const body = request.body === null ? null : await request.arrayBuffer();
      const answer = await fetch(`${server.listeners.apiUrl}${url.pathname}${url.search}`, {
        method: request.method,
        headers: request.headers,
        body,
      });
      return request.method === "POST" && isLost ? new Response("bad gateway", { status: 502 }) : answer;
    },
  });
  const { at, exited } = openTerminal(ADMIN, {
    DEADLETTER_SERVER: `http://127.0.0.1:${between.port}`,
    DEADLETTER_KEY: server.adminKey,
  });
  await at("no links; n makes one", "n");
  for (const code of ["mine", ""]) {
    isLost = true;
    for (const [question, typed] of [
      ["Target", "https://example.com/"],
      ["Short code", code],
      ["Title", ""],
      ["Tags", ""],
      ["Expires", "7d"],
    ] as const)
      await at(question, typed + ENTER);
    await at("did not answer as deadletter does", "");
    isLost = false;
    for (const question of ["Target", "Short code", "Title", "Tags", "Expires"]) await at(question, ENTER);
    await at("created http", code === "" ? "q" : "n");
  }
  expect(await exited).toBe(0);
  expect((await server.call("GET", "/urls")).json).toHaveLength(2);
  await between.stop(true);
  await server.close();
  store.remove();
}, 30_000);

test("an edit that meets another one says what that was, and goes on with what was typed", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "sale" });
  const { at, exited } = openTerminal(ADMIN, {
    DEADLETTER_SERVER: server.listeners.apiUrl,
    DEADLETTER_KEY: server.adminKey,
  });
  await at("sale", "e");
  await at("Target", ENTER);
  await at("Title", `Typed${ENTER}`);
  await at("Tags", ENTER);
  await at("Expires", "");
  await server.call("PUT", "/urls/sale", { original_url: "https://elsewhere.example/" });
  await at("never; or 7d", ENTER);
  await at("Reason", ENTER);
  await at("has changed it meanwhile", "");
  await at("elsewhere.example", "");
  for (const question of ["Target", "Title", "Tags", "Expires", "Reason"]) await at(question, ENTER);
  await at("now at version 3", "q");
  expect(await exited).toBe(0);
  // Only what was edited is changed.
  expect((await server.call("GET", "/urls/sale")).json).toMatchObject({
    title: "Typed",
    original_url: "https://elsewhere.example/",
  });
  await server.close();
  store.remove();
}, 30_000);

test("what is typed ahead of a form does nothing behind it, and a link below the first page is restored as it was deleted", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  for (let from = 0; from < 150; from++)
    await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: `link-${from}` });
  const { at, exited } = openTerminal(ADMIN, {
    DEADLETTER_SERVER: server.listeners.apiUrl,
    DEADLETTER_KEY: server.adminKey,
  });
  await at("link-149", "nq");
  await at("Target", ESCAPE);
  await at("nothing was changed", "G");
  await at("150 links", "G");
  await at("link-0", "d");
  await at("Why?", ENTER);
  await at("Delete link-0?", "y");
  await at("deleted link-0", "");
  await at("inactive", "u");
  await at("Reason", ENTER);
  await at("restored http", "q");
  expect(await exited).toBe(0);
  await server.close();
  store.remove();
}, 60_000);

test("a key that may only read is offered nothing that it may not do", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "sale" });
  const { key } = (await server.call("POST", `/users/${server.adminId}/keys`, { name: "eyes", role: "reader" })).json;
  const { at, exited, raw } = openTerminal(ADMIN, { DEADLETTER_SERVER: server.listeners.apiUrl, DEADLETTER_KEY: key });
  await at("sale", "nedtx");
  await at("", "3");
  await at("admin@localhost".slice(0, 5), "nkdx");
  await at("", "q");
  expect(await exited).toBe(0);
  expect(raw()).not.toContain("new link");
  expect(raw()).not.toContain("new user");
  await server.close();
  store.remove();
}, 30_000);

test("Ctrl-C leaves with 130 from every tab and every state, and the terminal is clean", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "sale" });
  for (const keys of ["", "2", "3", "4", "5", "6", "/", ":", "?", ENTER]) {
    const { at, exited, raw } = openTerminal(
      ADMIN,
      { DEADLETTER_SERVER: server.listeners.apiUrl, DEADLETTER_KEY: server.adminKey },
      { columns: 60, rows: 20 },
    );
    await at("sale", keys);
    await at("", CTRL_C);
    expect([keys, await exited]).toEqual([keys, 130]);
    expectClean(raw());
  }
  await server.close();
  store.remove();
}, 60_000);

test("without a terminal it names the commands to use", async () => {
  for (const words of [["admin"], ["dashboard"]]) {
    const { exitCode, stderr } = await runDeadletter(words, {});
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("in scripts use")]);
  }
});
