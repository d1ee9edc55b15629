// No link can take the place of a route, now or later: every first segment of a path is a word that no code may be.

import { expect, test } from "bun:test";
import { createPublic, createWatch } from "../../src/http/public-routes.ts";
import { checkCode, isReservedCode } from "../../src/model/code.ts";
import { createStore, startServer } from "../support/harness.ts";

test("the first segment of every route is a reserved word, whatever its case", async () => {
  const server = await startServer(await createStore("sqlite"));
  const { api, service } = server.deadletter;
  const routes = [api, createPublic(service), createWatch(service)].flatMap(({ routes }) => routes);
  // What comes after a dot (robots.txt, openapi.json) can be in no code.
  const first = (path: string) => path.split("/")[1]?.split(".")[0] ?? "";
  const words = new Set(routes.map(({ path }) => first(path)).filter((word) => word !== "" && !word.startsWith(":")));
  expect(words.size).toBeGreaterThan(8);
  expect([...words].filter((word) => !isReservedCode(word))).toEqual([]);
  for (const word of words) {
    if (word.length < 3) continue;
    expect(() => checkCode(word.toUpperCase())).toThrow("is a reserved word");
  }
  await server.close();
  server.store.remove();
});
