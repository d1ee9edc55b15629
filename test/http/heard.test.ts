// Prefer: wait=N on a change: when the answer comes, and what it says of who has heard.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LIMITS } from "../../src/limits.ts";
import { hostName } from "../../src/runtime/program.ts";
import {
  createStore,
  describeEachEngine,
  startServer,
  type TestServer,
  type TestStore,
  until,
} from "../support/harness.ts";

const wait = (seconds: number | string) => ({ headers: { prefer: `wait=${seconds}` } });

describeEachEngine("a change that prefers to wait, where one process serves", (server, engine) => {
  beforeAll(async () => {
    await server().deadletter.start();
    server().deadletter.ready();
  });
  const rows = () => server().store.query<{ name: string }>("select name from replicas");
  const isThere = () => until("the process says that it serves", async () => (await rows()).length === 1);

  test("is answered once it is in the log and heard; without the preference at once", async () => {
    const { call } = server();
    await isThere();
    const made = await call("POST", "/urls", { original_url: "https://a.b/", short_code: `heard-${engine}` }, wait(5));
    expect(made).toMatchObject({
      status: 201,
      json: { version: 1, heard: { complete: true, replicas: 1, missing: [] } },
    });
    expect(made.headers.get("preference-applied")).toBe("wait=5");
    const [entry] = (await call("GET", `/log/entries?from=${made.json.heard.log_index}&limit=1`)).json;
    expect(entry).toMatchObject({ index: made.json.heard.log_index, subject: `url:${made.json.id}`, version: 1 });
    const changed = await call("PATCH", `/urls/heard-${engine}`, { title: "x" });
    expect([changed.json.heard, changed.headers.get("preference-applied")]).toEqual([undefined, null]);
    for (const [method, path, body] of [
      ["PATCH", `/urls/heard-${engine}`, { title: "y" }],
      ["DELETE", `/urls/heard-${engine}`, undefined],
      ["POST", `/urls/heard-${engine}/restore`, undefined],
    ] as const) {
      const answer = await call(method, path, body, wait(5));
      expect([method, answer.status, answer.json.heard?.complete]).toEqual([method, 200, true]);
    }
  });

  test("of a user or a key is answered so as well", async () => {
    const { call } = server();
    const user = await call("POST", "/users", { username: "heard", email: "heard@b.c" }, wait(5));
    expect(user.json.heard.complete).toBe(true);
    const { id } = (await call("POST", `/users/${user.json.id}/keys`, { name: "k", role: "reader" })).json;
    const revoked = await call("DELETE", `/users/${user.json.id}/keys/${id}`, undefined, wait(5));
    expect(revoked.json.heard.complete).toBe(true);
    expect((await call("DELETE", `/users/${user.json.id}`, undefined, wait(5))).json.heard.complete).toBe(true);
  });

  test("takes what is no wait of RFC 7240 for no preference, and waits no longer than it may", async () => {
    const { call } = server();
    for (const prefer of ["wait", "wait=x", "wait=-1", "respond-async", "await=3", ""]) {
      const { json } = await call("PATCH", `/urls/heard-${engine}`, { title: prefer }, { headers: { prefer } });
      expect([prefer, json.heard]).toEqual([prefer, undefined]);
    }
    for (const prefer of ["wait=99999", 'respond-async, wait="7"', "wait=2; foo=bar"]) {
      const answer = await call("PATCH", `/urls/heard-${engine}`, { title: prefer }, { headers: { prefer } });
      expect([prefer, answer.json.heard?.complete]).toEqual([prefer, true]);
      expect(Number(answer.headers.get("preference-applied")?.slice(5))).toBeLessThanOrEqual(LIMITS.feedWaitS);
    }
  });

  test("names who has not heard: first as one that may, then as one that has lapsed", async () => {
    const { call, store } = server();
    await store.tamper(
      `insert into replicas (name, host, pid, epoch, next_index, renewals, outage_ms, seen_at_ms)
       values ('ghost', 'elsewhere', 1, 0, 0, 1, 600000, ${Date.now()})`,
    );
    const startedMs = performance.now();
    const soon = await call("PATCH", `/urls/heard-${engine}`, { title: "soon" }, wait(1));
    expect(performance.now() - startedMs).toBeGreaterThan(900);
    expect(soon.json.heard).toMatchObject({
      complete: false,
      replicas: 1,
      missing: [{ replica: "ghost", state: "behind" }],
    });
    await until(
      "it has lapsed",
      async () =>
        (await call("PATCH", `/urls/heard-${engine}`, { title: `${Math.random()}` }, wait(1))).json.heard.missing[0]
          ?.state === "lapsed",
      15_000,
    );
    const late = await call("PATCH", `/urls/heard-${engine}`, { title: "late" }, wait(8));
    expect(late.json.heard.complete).toBe(false);
    await store.tamper("delete from replicas where name = 'ghost'");
  }, 30_000);

  test("waits for nobody that is dead on this machine, nor for one that was silent longer than it may redirect", async () => {
    const { call, store } = server();
    const child = Bun.spawn(["true"]);
    await child.exited;
    const row = (name: string, host: string, pid: number, seenMs: number) =>
      `insert into replicas (name, host, pid, epoch, next_index, renewals, outage_ms, seen_at_ms)
       values ('${name}', '${host}', ${pid}, 0, 0, 1, 1000, ${seenMs})`;
    await store.tamper(row("dead", hostName(), child.pid, Date.now()));
    await store.tamper(row("silent", "elsewhere", 1, Date.now()));
    await until("both are forgotten", async () => (await rows()).length === 1, 20_000);
    expect((await call("PATCH", `/urls/heard-${engine}`, { title: "alone" }, wait(5))).json.heard.complete).toBe(true);
  }, 40_000);
});

describe("a change that prefers to wait, where two processes serve", () => {
  let store: TestStore;
  let one: TestServer;
  let two: TestServer;
  beforeAll(async () => {
    store = await createStore("postgres");
    one = await startServer(store);
    two = await startServer(store, { DEADLETTER_DATA_DIR: mkdtempSync(join(tmpdir(), "deadletter-two-")) });
    for (const { deadletter } of [one, two]) await deadletter.start();
    await until("both serve", async () => (await store.query("select name from replicas")).length === 2);
  });
  afterAll(async () => {
    await two.close();
    await one.close();
    store.remove();
  });
  const follow = async ({ listeners }: TestServer) =>
    (await fetch(`${listeners.baseUrl}/both`, { redirect: "manual" })).headers.get("location");

  test("is followed by both when the answer says that all have heard", async () => {
    await one.call("POST", "/urls", { original_url: "https://a.b/0", short_code: "both" }, wait(5));
    for (let step = 1; step <= 20; step++) {
      expect([await follow(one), await follow(two)]).toEqual([`https://a.b/${step - 1}`, `https://a.b/${step - 1}`]);
      const { json } = await one.call("PUT", "/urls/both", { original_url: `https://a.b/${step}` }, wait(5));
      expect(json.heard).toMatchObject({ complete: true, replicas: 2 });
      expect(await follow(two)).toBe(`https://a.b/${step}`);
    }
  });

  test("does not wait for one that has been stopped", async () => {
    await two.deadletter.close();
    const { json } = await one.call("PUT", "/urls/both", { title: "alone" }, wait(5));
    expect(json.heard).toMatchObject({ complete: true, replicas: 1 });
  });
});
