// Find or create: who asks again for the same short link gets the one there is.

import { expect, test } from "bun:test";
import { describeEachEngine } from "../support/harness.ts";

describeEachEngine("find_existing", (server) => {
  const ask = (body: object, key?: string) =>
    server().call(
      "POST",
      "/urls",
      { original_url: "https://example.com/page", find_existing: true, ...body },
      key === undefined ? {} : { key },
    );

  test("answers 201 the first time and 200 with the same link from then on, and writes one event", async () => {
    const first = await ask({ tags: ["b", "a"], title: " T " });
    const again = await ask({ tags: ["a", "b", "A"], title: "T" });
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.json).toEqual(first.json);
    expect((await server().call("GET", `/urls/${first.json.id}/events`)).json).toHaveLength(1);
  });

  test("finds by target, title and every option, and nothing that differs in one", async () => {
    const whole = {
      original_url: "https://example.com/options",
      title: "T",
      tags: ["x"],
      status: 307,
      max_age: 60,
      forward: "query",
      query_wins: "visitor",
      starts_at: "2026-01-01T00:00:00Z",
      expires_at: "2099-01-01T00:00:00Z",
    };
    const { json: made } = await ask(whole);
    const found = await ask(whole);
    expect([found.status, found.json.id, found.headers.get("etag")]).toEqual([200, made.id, '"1"']);
    for (const [name, value] of Object.entries({
      original_url: "https://example.com/options?x",
      title: "",
      tags: [],
      status: 302,
      max_age: null,
      forward: "none",
      query_wins: "target",
      starts_at: null,
      expires_at: null,
    }))
      expect([name, (await ask({ ...whole, [name]: value })).status]).toEqual([name, 201]);
    expect((await server().call("GET", `/urls/${made.id}/events`)).json).toHaveLength(1);
  });

  test("finds only what the caller owns and what redirects still", async () => {
    const { call } = server();
    const { json: mine } = await ask({ original_url: "https://example.com/mine" });
    const other = (await call("POST", "/users", { username: "finder", email: "finder@a.example" })).json;
    const { key } = (await call("POST", `/users/${other.id}/keys`, { name: "k", role: "creator" })).json;
    expect((await ask({ original_url: "https://example.com/mine" }, key)).status).toBe(201);
    await call("DELETE", `/urls/${mine.id}`);
    const next = await ask({ original_url: "https://example.com/mine" });
    expect([next.status, next.json.id === mine.id]).toEqual([201, false]);
    await ask({ original_url: "https://example.com/ended", expires_at: "2020-01-01T00:00:00Z" });
    expect((await ask({ original_url: "https://example.com/ended", expires_at: "2020-01-01T00:00:00Z" })).status).toBe(
      201,
    );
  });

  test("with a code finds the link that has it, and no other", async () => {
    const { json } = await ask({ original_url: "https://example.com/code", short_code: "found-code" });
    expect((await ask({ original_url: "https://example.com/code", short_code: "found-code" })).json.id).toBe(json.id);
    expect((await ask({ original_url: "https://example.com/code", short_code: "other-code" })).status).toBe(201);
    expect((await ask({ original_url: "https://example.com/else", short_code: "found-code" })).status).toBe(409);
  });

  test("finds it behind any number of others, and takes no Idempotency-Key", async () => {
    const { call } = server();
    const rows = Array.from({ length: 130 }, (_, at) =>
      JSON.stringify({ original_url: "https://example.com/many", title: `t${at}` }),
    );
    await call("POST", "/urls/bulk", rows.join("\n"), { headers: { "content-type": "application/x-ndjson" } });
    expect((await ask({ original_url: "https://example.com/many" })).status).toBe(201);
    expect((await ask({ original_url: "https://example.com/many" })).status).toBe(200);
    const headers = { "idempotency-key": '"k"' };
    expect(
      (await call("POST", "/urls", { original_url: "https://a.b/", find_existing: true }, { headers })).status,
    ).toBe(400);
    const moved = { original_url: "https://example.com/moved", status: 301 };
    await ask(moved);
    expect((await ask(moved)).json.warnings).toHaveLength(1);
  });

  test("gives those who ask at the same moment one link", async () => {
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => ask({ original_url: "https://example.com/at-once" })),
    );
    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  test("asks for the key in its own transaction, and holds every rule of a link that is made", async () => {
    const { call, adminId } = server();
    const key = (await call("POST", `/users/${adminId}/keys`, { name: "short", role: "creator" })).json;
    expect((await ask({ original_url: "https://example.com/revoked" }, key.key)).status).toBe(201);
    await call("DELETE", `/users/${adminId}/keys/${key.id}`);
    expect((await ask({ original_url: "https://example.com/revoked" }, key.key)).status).toBe(401);
    expect((await ask({ original_url: "javascript:alert(1)" })).status).toBe(400);
    expect((await ask({ find_existing: "yes" })).status).toBe(400);
  });

  test("takes no longer where links have large ids, as imported ones may", async () => {
    const { store } = server();
    // Targets of the largest id that a link may have, and of one in a block far from all others.
    await store.tamper(
      "insert into link_targets (url_id, target_key) values (9007199254740991, 1), (999999999999999, 2)",
    );
    const target = { original_url: "https://example.com/beside-large-ids" };
    expect((await ask(target)).status).toBe(201);
    expect((await ask(target)).status).toBe(200);
    await store.tamper("delete from link_targets where target_key in (1, 2)");
  });

  test("refuses while it cannot be looked up what every link leads to", async () => {
    const { store } = server();
    await store.tamper("update side_tables set is_complete = 0 where name = 'link_targets'");
    expect((await ask({})).status).toBe(503);
    await store.tamper("update side_tables set is_complete = 1 where name = 'link_targets'");
    expect(await server().verify()).toEqual([]);
  });
});
