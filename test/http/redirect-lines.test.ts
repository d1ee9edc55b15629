// Which redirects get a line in the log: none that was found by default, all, or one of so many; those that failed always.

import { expect, test } from "bun:test";
import { createStore, startServer } from "../support/harness.ts";

async function linesOf(setting: Record<string, string>): Promise<readonly number[]> {
  const store = await createStore("sqlite");
  const server = await startServer(store, setting);
  await server.call("POST", "/urls", { original_url: "https://example.com/", short_code: "lined" });
  for (let at = 0; at < 10; at++) await server.call("GET", "/lined");
  for (let at = 0; at < 10; at++) await server.call("GET", `/absent-${at}`);
  await store.tamper("alter table urls rename to hidden");
  await server.call("GET", "/failing");
  await store.tamper("alter table hidden rename to urls");
  await server.deadletter.service.log.flush();
  const statuses = server.logLines().flatMap(({ route, status }) => (route === "redirect" ? [Number(status)] : []));
  await server.close();
  store.remove();
  return [302, 404, 500].map((status) => statuses.filter((each) => each === status).length);
}

test("by default only redirects that failed are logged", async () => {
  expect(await linesOf({})).toEqual([0, 0, 1]);
});

test("all, where that is wanted", async () => {
  expect(await linesOf({ DEADLETTER_LOG_REDIRECTS: "all" })).toEqual([10, 10, 1]);
});

test("one of five, and those that failed", async () => {
  expect(await linesOf({ DEADLETTER_LOG_REDIRECTS: "sampled:5" })).toEqual([2, 2, 1]);
});
