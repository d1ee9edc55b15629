// A store that was finalized for a later release refuses this one's changes, says so, and takes nothing of them.

import { expect, test } from "bun:test";
import { finalize, GENERATION, readStoreGeneration, refusingBefore } from "../../src/store/generation.ts";
import { describeEachEngine } from "../support/harness.ts";

describeEachEngine("a store that was finalized", (server, engine) => {
  const raise = (least: number) => server().store.tamper(`delete from log_queue; ${refusingBefore(engine, least)}`);

  test("when it was new takes this release's changes at once, and finalizing it again changes nothing", async () => {
    const { store } = server().deadletter.core;
    expect(await readStoreGeneration(store)).toBe(GENERATION);
    expect(await finalize(store)).toBe(GENERATION);
    expect((await server().call("POST", "/urls", { original_url: "https://a.b/", short_code: "mine" })).status).toBe(
      201,
    );
  });

  test("for a later release answers 503 to changes, writes nothing, and goes on reading and redirecting", async () => {
    const { call, sequence, store } = server();
    await sequence();
    const before = await store.query(
      "select (select count(*) from events) as events, (select max(version) from urls) as version",
    );
    await raise(GENERATION + 1);
    const answers = [
      await call("POST", "/urls", { original_url: "https://a.b/", short_code: "late" }),
      await call("PATCH", "/urls/mine", { title: "late" }),
      await call("DELETE", "/urls/mine"),
    ];
    for (const { status, json } of answers) {
      expect(status).toBe(503);
      expect(json).toEqual({
        error: "unavailable",
        detail:
          "this release may not write to the store any more (the store was finalized for a later release: upgrade this one)",
      });
    }
    expect((await call("GET", "/mine", undefined, { key: null })).status).toBe(302);
    expect((await call("GET", "/urls/mine")).json).toMatchObject({ version: 1, title: "" });
    expect(
      await store.query("select (select count(*) from events) as events, (select max(version) from urls) as version"),
    ).toEqual(before);
    await raise(GENERATION);
    expect((await call("PATCH", "/urls/mine", { title: "in time" })).status).toBe(200);
    expect(await server().verify()).toEqual([]);
  });
});
