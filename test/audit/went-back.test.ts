// A log that went back for a while: what was believed of the wrong store is believed no longer once the right one is back.

import { expect, test } from "bun:test";
import { readUsableWarmSet } from "../../src/app/redirects.ts";
import { LIMITS } from "../../src/limits.ts";
import { SYSTEM } from "../../src/runtime/outside.ts";
import { createStore, startServer, TEST_LOG_KEY, until } from "../support/harness.ts";

test("a log that is refused is looked at as seldom as another", async () => {
  const store = await createStore("sqlite");
  const delays: number[] = [];
  const after = (ms: number, run: () => void) => {
    delays.push(ms);
    return SYSTEM.clock.after(ms, run);
  };
  const server = await startServer(store, {}, { outside: { ...SYSTEM, clock: { ...SYSTEM.clock, after } } });
  try {
    await server.deadletter.start();
    server.deadletter.ready();
    const { feed } = server.deadletter.auditLog;
    await server.call("POST", "/urls", { original_url: "https://a.b/" });
    await until("it is heard", () => (feed.next ?? 0) > 0);
    await store.tamper("update log_head set size = size - 1", { guardsOff: true });
    await until("it is refused", () => feed.refusal !== undefined);
    delays.length = 0;
    await until("it was looked at four times", () => delays.filter((ms) => ms === LIMITS.feedPollMs).length >= 4);
    expect(delays.filter((ms) => ms === 0).length).toBeLessThan(4);
  } finally {
    await server.close();
    store.remove();
  }
}, 60_000);

const NONE = new Uint8Array(0);

test("a link that was deleted does not redirect again because a store without the delete was there meanwhile", async () => {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  const { deadletter, call } = server;
  await deadletter.start();
  deadletter.ready();
  const { feed, refusal } = deadletter.auditLog;
  const head = async () => (await store.query<{ size: number; note: string }>("select size, note from log_head"))[0];
  const settle = () =>
    until("it is heard", async () => {
      const { backlog, size } = (await call("GET", "/log/status")).json;
      return backlog === 0 && feed.next === size;
    });
  const follow = async () => (await fetch(`${server.listeners.baseUrl}/takedown`, { redirect: "manual" })).status;
  const warmCodes = () => readUsableWarmSet(store.config, TEST_LOG_KEY.origin, SYSTEM)?.links.map(([code]) => code);
  try {
    await call("POST", "/urls", { original_url: "https://a.b/", short_code: "takedown" });
    await call("POST", "/urls", { original_url: "https://a.b/", short_code: "other" });
    await settle();
    expect(await follow()).toBe(302);
    const before = await head();
    await call("DELETE", "/urls/takedown");
    await settle();
    const after = await head();
    const [leaf] = await store.query<{ idx: number; event_id: number; leaf_hash: Uint8Array }>(
      "select idx, event_id, leaf_hash from log_leaf order by idx desc limit 1",
    );
    const [link] = await store.query<{ version: number; head: Uint8Array }>(
      "select version, head from urls where short_code = 'takedown'",
    );
    const [created] = await store.query<{ leaf_hash: Uint8Array }>(
      "select leaf_hash from events where subject_type = 'url' and version = 1 order by id limit 1",
    );
    await until("the warm set is written", () => warmCodes()?.includes("other") === true);
    expect(await follow()).toBe(404);
    await store.tamper(
      `delete from log_leaf where idx >= ${before?.size};
       update urls set is_active = 1, version = 1, head = ${store.literal(created?.leaf_hash ?? NONE)} where short_code = 'takedown';
       update log_head set size = ${before?.size}, note = '${before?.note}' where id = 1`,
      { guardsOff: true },
    );
    await until("it is refused", () => feed.refusal !== undefined);
    // What the store says now is all that can be said; a start during an outage would have nothing that is sure.
    expect(await follow()).toBe(302);
    expect(warmCodes()).toBeUndefined();
    await store.tamper(
      `insert into log_leaf (idx, event_id, leaf_hash)
         values (${leaf?.idx}, ${leaf?.event_id}, ${store.literal(leaf?.leaf_hash ?? NONE)});
       update urls set is_active = 0, version = ${link?.version}, head = ${store.literal(link?.head ?? NONE)} where short_code = 'takedown';
       update log_head set size = ${after?.size}, note = '${after?.note}' where id = 1`,
      { guardsOff: true },
    );
    await until("it is followed again", () => feed.refusal === undefined && refusal() === undefined);
    await until("it is heard", () => Number.isFinite(feed.heardMs));
    expect(await follow()).toBe(404);
  } finally {
    await server.close();
    store.remove();
  }
}, 60_000);
