// Owners: what a creator may do with its own links, how a link is handed over, and what becomes of those of a user who leaves.

import { expect, test } from "bun:test";
import { describeEachEngine, until } from "../support/harness.ts";

describeEachEngine("owners", (server) => {
  let made = 0;
  const user = async (role: string) => {
    const name = `user-${++made}`;
    const { id } = (await server().call("POST", "/users", { username: name, email: `${name}@a.example` })).json;
    const { key } = (await server().call("POST", `/users/${id}/keys`, { name: "laptop", role })).json;
    return { id: id as number, key: key as string, name };
  };
  const as = (key: string, method: string, path: string, body?: object) => server().call(method, path, body, { key });
  const create = async (key: string, body: object = {}) =>
    (await as(key, "POST", "/urls", { original_url: "https://example.com/", ...body })).json;

  test("a creator changes, deletes, restores and reverts its own links, and nobody else's", async () => {
    const [ada, bob] = [await user("creator"), await user("creator")];
    const [own, other] = [await create(ada.key), await create(bob.key)];
    const steps: [string, string, object?][] = [
      ["PATCH", "", { title: "mine" }],
      ["PUT", "", { title: "still" }],
      ["DELETE", ""],
      ["POST", "/restore", {}],
      ["POST", "/revert", { to_version: 1 }],
    ];
    for (const [method, path, body] of steps)
      expect([method, (await as(ada.key, method, `/urls/${own.short_code}${path}`, body)).status]).toEqual([
        method,
        200,
      ]);
    for (const [method, path, body] of steps) {
      const answer = await as(ada.key, method, `/urls/${other.short_code}${path}`, body);
      expect([method, path, answer.status, answer.json.error]).toEqual([method, path, 403, "forbidden"]);
    }
    expect((await as(ada.key, "PATCH", "/urls/nobody", { title: "x" })).status).toBe(404);
    const { version } = (await server().call("GET", `/urls/${other.short_code}`)).json;
    expect(version).toBe(1);
    expect(await server().verify()).toEqual([]);
  });

  test("a link is handed over by its owner or an admin, to an active user, and by nobody else", async () => {
    const [ada, bob, editor] = [await user("creator"), await user("creator"), await user("editor")];
    const link = await create(ada.key);
    const path = `/urls/${link.short_code}`;
    expect((await as(bob.key, "PATCH", path, { user_id: bob.id })).status).toBe(403);
    expect((await as(editor.key, "PATCH", path, { user_id: editor.id })).status).toBe(403);
    // Whose it is already is no change.
    expect((await as(editor.key, "PATCH", path, { user_id: ada.id, title: "edited" })).status).toBe(200);
    expect((await as(ada.key, "PATCH", path, { user_id: 999_999 })).status).toBe(404);
    const given = await as(ada.key, "PATCH", path, { user_id: bob.id, reason: "moving on" });
    expect(given.json).toMatchObject({ user_id: bob.id, version: 3 });
    expect((await as(ada.key, "PATCH", path, { title: "still mine?" })).status).toBe(403);
    expect((await as(bob.key, "PATCH", path, { title: "mine now" })).status).toBe(200);
    const { events } = (await server().call("GET", path)).json;
    expect(events[2].details.changes).toEqual({ user_id: { from: ada.id, to: bob.id } });
    await server().call("DELETE", `/users/${ada.id}`);
    expect((await server().call("PATCH", path, { user_id: ada.id })).status).toBe(404);
    expect(await server().verify()).toEqual([]);
  });

  test("a user who leaves keeps its links, or hands all of them over in the same act, deleted ones too", async () => {
    const [ada, bob, eve] = [await user("creator"), await user("creator"), await user("creator")];
    const codes: string[] = [];
    for (let at = 0; at < 3; at++) codes.push((await create(ada.key)).short_code);
    await as(ada.key, "DELETE", `/urls/${codes[0]}`);
    const { call } = server();
    expect((await call("DELETE", `/users/${ada.id}`, { hand_over_to: ada.id })).status).toBe(400);
    expect((await call("DELETE", `/users/${ada.id}`, { hand_over_to: 999_999 })).status).toBe(404);
    expect((await call("GET", `/users/${ada.id}`)).json.is_active).toBe(true);
    const left = await call("DELETE", `/users/${ada.id}`, { hand_over_to: bob.id, reason: "left" });
    expect(left.json).toMatchObject({ is_active: false, links: { kept: 0, is_more: false, handed_over: 3 } });
    for (const code of codes) expect((await call("GET", `/urls/${code}`)).json.user_id).toBe(bob.id);
    expect((await call("GET", `/urls/${codes[0]}`)).json).toMatchObject({ is_active: false, version: 3 });
    await create(eve.key);
    expect((await call("DELETE", `/users/${eve.id}`)).json.links).toEqual({ kept: 1, is_more: false, handed_over: 0 });
    expect(await server().verify()).toEqual([]);
  });

  test("more links than one transaction takes are handed over all the same", async () => {
    const [ada, bob] = [await user("creator"), await user("creator")];
    const rows = Array.from({ length: 620 }, () => JSON.stringify({ original_url: "https://example.com/" })).join("\n");
    await server().call("POST", "/urls/bulk", rows, {
      key: ada.key,
      headers: { "content-type": "application/x-ndjson" },
    });
    const left = await server().call("DELETE", `/users/${ada.id}`, { hand_over_to: bob.id });
    expect(left.json.links).toEqual({ kept: 0, is_more: false, handed_over: 620 });
  });

  test("what was being made as its maker left goes with the rest; one who left before is cleared up after", async () => {
    const { call } = server();
    const [ada, bob] = [await user("creator"), await user("creator")];
    let isOver = false;
    const made: string[] = [];
    const work = Array.from({ length: 8 }, async () => {
      while (!isOver) {
        const { status, json } = await as(ada.key, "POST", "/urls", { original_url: "https://example.com/" });
        if (status === 201) made.push(json.short_code);
        else isOver = true;
      }
    });
    await until("some are made", () => made.length > 20);
    const left = await call("DELETE", `/users/${ada.id}`, { hand_over_to: bob.id });
    isOver = true;
    await Promise.all(work);
    expect(left.json.links.kept).toBe(0);
    const owners = await Promise.all(made.map(async (code) => (await call("GET", `/urls/${code}`)).json.user_id));
    expect(owners.filter((owner) => owner !== bob.id)).toEqual([]);

    const eve = await user("creator");
    await create(eve.key);
    await call("DELETE", `/users/${eve.id}`);
    expect((await call("DELETE", `/users/${eve.id}`)).status).toBe(409);
    const after = await call("DELETE", `/users/${eve.id}`, { hand_over_to: bob.id });
    expect([after.status, after.json.links]).toEqual([200, { kept: 0, is_more: false, handed_over: 1 }]);
    const nobody = await user("creator");
    const refused = await call("DELETE", `/users/${nobody.id}`, { hand_over_to: 999_999 });
    expect([refused.status, refused.json.detail]).toEqual([404, "hand_over_to: there is no active user 999999"]);
    expect((await call("GET", `/users/${nobody.id}`)).json.is_active).toBe(true);
    expect(await server().verify()).toEqual([]);
  });

  test("emails find events for those who may know them, and a key's name imitates no other key", async () => {
    const { call } = server();
    const [ada, bob] = [await user("creator"), await user("reader")];
    await create(ada.key, { short_code: `mail-${ada.id}` });
    const find = async (key: string) =>
      (await call("GET", `/events?user=${ada.name}@a.example`, undefined, { key })).status;
    expect([await find(ada.key), await find(bob.key), await find(server().adminKey)]).toEqual([200, 404, 200]);
    const forged = (await call("POST", `/users/${ada.id}/keys`, { name: "deploy (key 1)", role: "creator" })).json;
    await create(forged.key, { short_code: `forged-${ada.id}` });
    const [event] = (await call("GET", `/events?short_code=forged-${ada.id}`)).json;
    expect(event.actor_name).toBe(`${ada.name} (deploy (key 1))`);
  });

  test("events call things by their names of now, a key's only to whom it is known, the erased as erased", async () => {
    const { call } = server();
    const [ada, bob] = [await user("creator"), await user("reader")];
    const { short_code } = await create(ada.key, { short_code: `named-${ada.id}` });
    const seen = async (key?: string) => {
      const [event] = (await call("GET", `/events?short_code=${short_code}`, undefined, key ? { key } : {})).json;
      return [event.subject_name, event.actor_name];
    };
    expect(await seen()).toEqual([short_code, `${ada.name} (laptop)`]);
    expect(await seen(ada.key)).toEqual([short_code, `${ada.name} (laptop)`]);
    expect((await seen(bob.key))[1]).toMatch(new RegExp(`^${ada.name} \\(key \\d+\\)$`));
    await call("PUT", `/users/${ada.id}`, { username: `${ada.name}-renamed` });
    expect((await seen())[1]).toBe(`${ada.name}-renamed (laptop)`);
    await call("POST", `/users/${ada.id}/erase`, {});
    expect(await seen()).toEqual([short_code, null]);
  });

  test("events are found by user, email, key and tag; a user or key there never was is 404, a code []", async () => {
    const { call } = server();
    const ada = await user("creator");
    const [{ id: keyId }] = (await call("GET", `/users/${ada.id}/keys`)).json;
    const second = (await call("POST", `/users/${ada.id}/keys`, { name: "phone", role: "creator" })).json;
    await create(ada.key, { short_code: `by-laptop-${ada.id}` });
    await create(second.key, { short_code: `by-phone-${ada.id}` });
    const names = async (query: string) =>
      (await call("GET", `/events?${query}`)).json.map((event: { subject_name: string }) => event.subject_name);
    expect(await names(`user=${ada.name.toUpperCase()}`)).toEqual([`by-phone-${ada.id}`, `by-laptop-${ada.id}`]);
    expect(await names(`user=${ada.name}@a.example`)).toHaveLength(2);
    expect(await names(`key_id=${keyId}`)).toEqual([`by-laptop-${ada.id}`]);
    expect(await names(`key_id=${second.id}&user=${ada.name}`)).toEqual([`by-phone-${ada.id}`]);
    expect(await names(`key_id=${second.id}&user=admin`)).toEqual([]);
    expect((await call("GET", "/events?user=nobody")).status).toBe(404);
    expect((await call("GET", "/events?key_id=999999")).status).toBe(404);
    expect((await call("GET", "/events?short_code=nobody")).json).toEqual([]);
  });
});
