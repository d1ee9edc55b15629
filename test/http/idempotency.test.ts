// Requests with an Idempotency-Key: sent again they change nothing more and have the same outcome.

import { expect, test } from "bun:test";
import { forgetEarlierRequests } from "../../src/operations/idempotency.ts";
import { describeEachEngine } from "../support/harness.ts";

describeEachEngine("an Idempotency-Key", (server, engine) => {
  const post = (path: string, body: object | undefined, key: string, options: object = {}) =>
    server().call("POST", path, body, { ...options, headers: { "idempotency-key": key } });
  const countLinks = async () => (await server().store.query("select id from urls")).length;

  test("gives the same link twice, as it was made, whatever became of it since", async () => {
    const body = { original_url: "https://a.example/", title: "first" };
    const first = await post("/urls", body, '"one"');
    const before = await countLinks();
    await server().call("PATCH", `/urls/${first.json.short_code}`, { title: "second" });
    const again = await post("/urls", body, "one");
    expect([again.status, again.json]).toEqual([201, first.json]);
    expect(again.headers.get("location")).toBe(first.headers.get("location"));
    expect(await countLinks()).toBe(before);
  });

  test("refuses another body, another path, and a key that is none", async () => {
    await post("/urls", { original_url: "https://a.example/", short_code: `taken-${engine}` }, "two");
    expect(await post("/urls", { original_url: "https://b.example/" }, "two")).toMatchObject({
      status: 422,
      json: { error: "idempotency_mismatch" },
    });
    await server().call("DELETE", `/urls/taken-${engine}`);
    expect((await post(`/urls/taken-${engine}/restore`, {}, "two")).status).toBe(422);
    for (const key of ['"', "", "x".repeat(256)])
      expect([key, (await post("/urls", { original_url: "https://b.example/" }, key)).status]).toEqual([key, 400]);
  });

  test("is its caller's own, asks for their key each time, and keeps no refusal", async () => {
    const user = (await server().call("POST", "/users", { username: "ida", email: "ida@a.example" })).json;
    const made = (await server().call("POST", `/users/${user.id}/keys`, { name: "k", role: "creator" })).json;
    const body = { original_url: "https://a.example/", short_code: `own-${engine}` };
    const mine = await post("/urls", body, "three", { key: made.key });
    expect(mine.status).toBe(201);
    // Of another caller it is another key, and the code is taken: that is said each time.
    expect((await post("/urls", body, "three")).status).toBe(409);
    expect((await post("/urls", { ...body, short_code: `free-${engine}` }, "three")).status).toBe(201);
    await server().call("DELETE", `/users/${user.id}/keys/${made.id}`);
    expect((await post("/urls", body, "three", { key: made.key })).status).toBe(401);
  });

  test("works for users and for what is restored", async () => {
    const body = { username: "ivo", email: "ivo@a.example" };
    const first = await post("/users", body, "four");
    expect(await post("/users", body, "four")).toMatchObject({ status: 201, json: first.json });
    const link = (await server().call("POST", "/urls", { original_url: "https://a.example/" })).json;
    await server().call("DELETE", `/urls/${link.id}`);
    const restored = await post(`/urls/${link.id}/restore`, {}, "five");
    expect(restored).toMatchObject({ status: 200, json: { version: 3 } });
    expect(await post(`/urls/${link.id}/restore`, {}, "five")).toMatchObject({ status: 200, json: restored.json });
    // Without the key it is active already.
    expect((await server().call("POST", `/urls/${link.id}/restore`, {})).status).toBe(409);
  });

  test("answers 409 or the same link while the first request is under way, and makes one", async () => {
    const before = await countLinks();
    const body = { original_url: "https://a.example/at-once" };
    const answers = await Promise.all(Array.from({ length: 20 }, () => post("/urls", body, "six")));
    const made = answers.filter(({ status }) => status === 201);
    expect(made.length).toBeGreaterThan(0);
    expect(new Set(made.map(({ json }) => json.id)).size).toBe(1);
    expect(answers.filter(({ status }) => status !== 201).every(({ status }) => status === 409)).toBe(true);
    expect(await countLinks()).toBe(before + 1);
  });

  test("is forgotten after a day, and may be used again", async () => {
    const body = { original_url: "https://a.example/day" };
    const first = await post("/urls", body, "seven");
    await server().store.query("update idempotency_keys set at_ms = at_ms - 86400001");
    const second = await post("/urls", body, "seven");
    expect(second.json.id).not.toBe(first.json.id);
    await server().store.query("update idempotency_keys set at_ms = at_ms - 86400001");
    await forgetEarlierRequests(server().deadletter.core.store, Date.now());
    expect(await server().store.query("select key_hash from idempotency_keys")).toEqual([]);
  });

  test("10,000 repeats by 32 clients make each link once", async () => {
    const before = await countLinks();
    const links = 500;
    let sent = 0;
    const ids = new Map<number, number>();
    const client = async () => {
      while (sent < 10_000) {
        const number = sent++ % links;
        const answer = await post("/urls", { original_url: `https://a.example/${number}` }, `repeat ${number}`);
        expect(answer.status).toBeOneOf([201, 409]);
        if (answer.status !== 201) continue;
        expect(ids.get(number) ?? answer.json.id).toBe(answer.json.id);
        ids.set(number, answer.json.id);
      }
    };
    await Promise.all(Array.from({ length: 32 }, client));
    expect(ids.size).toBe(links);
    expect(await countLinks()).toBe(before + links);
  }, 120_000);

  test("leaves a store in which all is true", async () => {
    expect(await server().verify()).toEqual([]);
  });
});
