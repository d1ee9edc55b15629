// What fails together: the database refuses one half of a change, and the other half must not survive it.

import { expect, test } from "bun:test";
import { describeEachEngine, type Engine } from "../support/harness.ts";

/** Triggers that make one statement fail, as a full disk or a broken index would. */
function failing(engine: Engine, table: string, when: "insert" | "update"): { arm: string; disarm: string } {
  if (engine === "sqlite")
    return {
      arm: `create trigger fail_here before ${when} on ${table} begin select raise(abort, 'injected'); end`,
      disarm: "drop trigger fail_here",
    };
  return {
    arm: `create or replace function fail_here() returns trigger language plpgsql as $$ begin raise exception 'injected'; end $$; create trigger fail_here before ${when} on ${table} for each row execute function fail_here()`,
    disarm: `drop trigger fail_here on ${table}`,
  };
}

describeEachEngine("a change and its event", (server, engine) => {
  const counts = async () => {
    const [row] = await server().store.query<Record<string, number>>(
      "select (select count(*) from urls) as urls, (select count(*) from events) as events, (select count(*) from log_queue) as queued, (select coalesce(sum(version), 0) from urls) as versions",
    );
    return Object.values(row ?? {}).map(Number);
  };

  test.each([
    ["failEventInsert", "events", "insert"],
    ["failQueueInsert", "log_queue", "insert"],
    ["failLinkInsert", "urls", "insert"],
  ] as const)("%s: a creation leaves neither link nor event", async (_, table, when) => {
    const { call, store } = server();
    const before = await counts();
    const { arm, disarm } = failing(engine, table, when);
    await store.tamper(arm);
    const answer = await call("POST", "/urls", { original_url: "https://a.b/", short_code: "half" });
    expect(answer).toMatchObject({
      status: 500,
      json: { error: "internal_error", detail: "an unexpected error occurred" },
    });
    expect(await counts()).toEqual(before);
    expect(await server().verify()).toEqual([]);
    await store.tamper(disarm);
    expect((await call("POST", "/urls", { original_url: "https://a.b/", short_code: `whole-${table}` })).status).toBe(
      201,
    );
  });

  test.each([
    ["failEventInsert", "events", "insert"],
    ["failLinkUpdate", "urls", "update"],
  ] as const)("%s: an update, a deletion and a restore leave everything as it was", async (_, table, when) => {
    const { call, store } = server();
    const link = (await call("POST", "/urls", { original_url: "https://a.b/" })).json;
    const gone = (await call("POST", "/urls", { original_url: "https://a.b/" })).json;
    await call("DELETE", `/urls/${gone.id}`);
    const before = await counts();
    const { arm, disarm } = failing(engine, table, when);
    await store.tamper(arm);
    for (const answer of [
      await call("PUT", `/urls/${link.id}`, { title: "x" }),
      await call("DELETE", `/urls/${link.id}`),
      await call("POST", `/urls/${gone.id}/restore`),
    ])
      expect(answer.status).toBe(500);
    await store.tamper(disarm);
    expect(await counts()).toEqual(before);
    expect((await call("GET", `/urls/${link.id}`)).json).toMatchObject(link);
    expect(await server().verify()).toEqual([]);
  });

  test("the reason of a 500 is in the log with the request's id, and not in the answer", async () => {
    const { call, store, deadletter, logLines } = server();
    const { arm, disarm } = failing(engine, "events", "insert");
    await store.tamper(arm);
    const answer = await call(
      "POST",
      "/urls",
      { original_url: "https://a.b/" },
      { headers: { "x-request-id": "the-broken-one" } },
    );
    await store.tamper(disarm);
    expect(answer.text).not.toContain("injected");
    await deadletter.service.log.flush();
    expect(JSON.stringify(logLines().filter((line) => line.request_id === "the-broken-one"))).toContain("injected");
  });

  test.each<[string, string]>([
    ["change a link", "update urls set title = 'quietly'"],
    ["change a link with a new version", "update urls set title = 'quietly', version = version + 1"],
    [
      "change a link with a head nobody wrote",
      `update urls set title = 'quietly', version = version + 1, head = ${engine === "sqlite" ? "zeroblob(32)" : "decode(repeat('00', 32), 'hex')"}`,
    ],
    ["delete a link", "delete from urls"],
    ["change an event", "update events set op = 'restored'"],
    ["move an event", "update events set at_ms = at_ms + 1"],
    ["change what an event says", "update events set state = '[]'"],
    ["erase an actor but not who it was", "update events set actor = null where user_id is not null"],
    ["erase who it was but not the actor", "update events set user_id = null where user_id is not null"],
    [
      "erase the state that a row is checked against",
      "update events set state = null where leaf_hash in (select head from urls)",
    ],
    ["delete an event", "delete from events"],
    ["delete a user", "delete from users"],
    ["promote a key", "update keys set role = 'admin'"],
    [
      "add a link without an event",
      `insert into urls (id, short_code, original_url, title, is_active, created_at_ms, updated_at_ms, version, head) values (9999, 'forged', 'https://a.b/', '', 1, 0, 0, 1, ${engine === "sqlite" ? "zeroblob(32)" : "decode(repeat('00', 32), 'hex')"})`,
    ],
    ...(engine === "sqlite"
      ? [["replace an event", "insert or replace into events select * from events"] as [string, string]]
      : [["truncate the log", "truncate events cascade"] as [string, string]]),
  ])("the database itself refuses to %s", async (_, statement) => {
    const { store, call } = server();
    await call("POST", "/urls", { original_url: "https://a.b/" });
    const before = await counts();
    const outcome = await store.tamper(statement).then(
      () => "done",
      () => "refused",
    );
    expect(outcome).toBe("refused");
    expect(await counts()).toEqual(before);
    expect(await server().verify()).toEqual([]);
  });

  test("a disclosure may be erased, and nothing else of the event with it", async () => {
    const { store, call } = server();
    const { id } = (await call("POST", "/urls", { original_url: "https://a.b/" })).json;
    await store.tamper(
      `update events set actor = null, user_id = null where subject_type = 'url' and subject_id = ${id}`,
    );
    const outcome = await store
      .tamper(`update events set actor = 'x' where subject_type = 'url' and subject_id = ${id}`)
      .then(
        () => "done",
        () => "refused",
      );
    expect(outcome).toBe("refused");
    expect((await call("GET", `/urls/${id}/events`)).json[0]).toMatchObject({
      actor: null,
      reason: null,
      event_type: "created",
    });
  });
});
