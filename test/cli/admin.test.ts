// The admin screen in a real terminal: keys are typed, the screen is read, and what was done is asked of the store.

import { expect, test } from "bun:test";
import { createStore, startServer, until } from "../support/harness.ts";
import { commandLine } from "../support/process.ts";

const ENTER = "\r";
const DOWN = "\u001b[B";
const CTRL_C = "\u0003";

async function openScreen(environment: Record<string, string>) {
  let screen = "";
  const child = Bun.spawn([...commandLine(), "admin"], {
    env: { PATH: process.env.PATH ?? "", TERM: "xterm", NO_COLOR: "1", ...environment },
    terminal: {
      cols: 120,
      rows: 50,
      data: (_, chunk) => {
        screen = Bun.stripANSI(screen + new TextDecoder().decode(chunk));
      },
    },
  });
  return {
    child,
    /** Waits for a text after the last one that was waited for, then types. */
    async at(text: string, keys: string) {
      await until(`the screen shows ${JSON.stringify(text)}; it shows ${screen}`, () => screen.includes(text));
      screen = screen.slice(screen.indexOf(text) + text.length);
      child.terminal?.write(keys);
    },
  };
}

test("find, create, edit, delete, restore and make a key, on the screen", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  const { child, at } = await openScreen({ ...store.environment, DEADLETTER_KEY: server.adminKey });

  await at("What next?", DOWN + ENTER);
  await at("Target", `https://example.com/from-screen${ENTER}`);
  await at("Short code", `screen${ENTER}`);
  await at("Title", `Made by hand${ENTER}`);
  await at("/screen", "");
  const made = (await server.call("GET", "/urls/screen")).json;
  expect(made).toMatchObject({ title: "Made by hand", user_id: server.adminId });
  expect(made.events[0].actor.via).toMatch(/^cli:uid-\d+$/);

  await at("What next?", ENTER);
  await at("Search", `screen${ENTER}`);
  await at("Which one?", ENTER);
  await at("What about screen?", ENTER);
  await at("Target", `/edited${ENTER}`);
  await at("Title", ENTER);
  await at("Expires", ENTER);
  await at("Reason", `typed${ENTER}`);
  await at("version 2", "");
  expect((await server.call("GET", "/urls/screen")).json).toMatchObject({
    original_url: "https://example.com/from-screen/edited",
    version: 2,
  });

  await at("What next?", ENTER);
  await at("Search", `screen${ENTER}`);
  await at("Which one?", ENTER);
  await at("What about screen?", DOWN + ENTER);
  await at("Why?", DOWN + ENTER);
  await at("Delete screen?", `y`);
  await at("deleted screen", "");
  expect((await server.call("GET", "/urls/screen/events")).json.at(-1)).toMatchObject({
    event_type: "deleted",
    reason: "policy_cleanup",
  });

  await at("What next?", ENTER);
  await at("Search", `screen${ENTER}`);
  await at("Which one?", ENTER);
  await at("What about screen?", ENTER);
  await at("Reason", ENTER);
  await at("restored", "");
  expect((await server.call("GET", "/urls/screen")).json).toMatchObject({ is_active: true, version: 4 });

  // A refusal is shown, and the screen stays.
  await at("What next?", DOWN + ENTER);
  await at("Target", `javascript:x${ENTER}`);
  await at("Short code", ENTER);
  await at("Title", ENTER);
  await at("scheme must be http or https", "");

  await at("What next?", DOWN + DOWN + ENTER);
  await at("For whom?", ENTER);
  await at("Role", ENTER);
  await at("What is the key for?", `screen test${ENTER}`);
  await at("dl_", "");
  expect((await server.call("GET", `/users/${server.adminId}/keys`)).json.at(-1)).toMatchObject({
    name: "screen test",
    role: "reader",
  });

  await at("What next?", CTRL_C);
  expect(await child.exited).toBe(0);
  expect(await server.verify()).toEqual([]);
  await server.close();
  store.remove();
}, 60_000);
