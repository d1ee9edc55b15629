// Tags over all links: found, counted, renamed and merged, an event a link, however often it is interrupted.

import { expect, test } from "bun:test";
import { describeEachEngine } from "../support/harness.ts";

describeEachEngine("tags", (server) => {
  const create = async (short_code: string, tags: string[]) =>
    (await server().call("POST", "/urls", { original_url: "https://example.com/", short_code, tags })).json;
  const list = async (query: string) =>
    (await server().call("GET", `/urls?${query}`)).json.map((link: { short_code: string }) => link.short_code);
  const rename = (body: object, key?: string) =>
    server().call("POST", "/api/tags/rename", body, key === undefined ? {} : { key });

  test("are filtered by one or by all of several, in any case, and counted by name", async () => {
    const { call } = server();
    await create("one", ["Sale", "winter"]);
    await create("two", ["sale"]);
    await create("three", ["winter"]);
    expect(await list("tag=SALE")).toEqual(["two", "one"]);
    expect(await list("tag=sale&tag=winter")).toEqual(["one"]);
    expect(await list("tag=sale,winter")).toEqual(["one"]);
    expect(await list("tag=none")).toEqual([]);
    expect((await call("GET", "/urls?tag=")).status).toBe(400);
    expect((await call("GET", "/api/tags")).json).toEqual([
      { tag: "Sale", links: 2 },
      { tag: "winter", links: 2 },
    ]);
    const first = await call("GET", "/api/tags?per_page=1");
    expect(first.json).toHaveLength(1);
    const next = /<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    expect((await call("GET", next)).json).toEqual([{ tag: "winter", links: 2 }]);
  });

  test("follow every change of a link, and events are found by them", async () => {
    const { call } = server();
    await create("moving", ["before"]);
    await call("PATCH", "/urls/moving", { tags: ["after"] });
    expect(await list("tag=before")).toEqual([]);
    await call("DELETE", "/urls/moving");
    expect(await list("tag=after&is_active=false")).toEqual(["moving"]);
    const events = (await call("GET", "/events?tag=AFTER")).json;
    expect(events.map((event: { event_type: string }) => event.event_type)).toEqual(["deleted", "updated", "created"]);
    expect(await server().verify()).toEqual([]);
  });

  test("a renamed tag is renamed on every link that bears it, deleted ones included, with an event each", async () => {
    const { call } = server();
    for (const code of ["r-1", "r-2", "r-3"]) await create(code, ["old", "kept"]);
    await call("DELETE", "/urls/r-3");
    expect((await rename({ from: "OLD", to: "new", dry_run: true })).json).toEqual({
      from: "OLD",
      to: "new",
      changed: 0,
      left: 3,
    });
    expect((await rename({ from: "old", to: "new", reason: "plain words" })).json).toMatchObject({
      changed: 3,
      left: 0,
    });
    for (const code of ["r-1", "r-2", "r-3"]) {
      const link = (await call("GET", `/urls/${code}`)).json;
      expect(link.tags).toEqual(["kept", "new"]);
      expect(link.events.at(-1)).toMatchObject({
        event_type: "updated",
        reason: "plain words",
        details: { changes: { tags: { from: ["kept", "old"], to: ["kept", "new"] } } },
      });
    }
    expect((await call("GET", "/urls/r-3")).json.is_active).toBe(false);
    expect((await rename({ from: "old", to: "other" })).status).toBe(404);
    expect(await server().verify()).toEqual([]);
  });

  test("a tag is put under another only where that is said, and goes on where it was interrupted", async () => {
    const { call } = server();
    await create("m-1", ["red"]);
    await create("m-2", ["red", "Rot"]);
    await create("m-3", ["Rot"]);
    const refused = await rename({ from: "Rot", to: "red" });
    expect([refused.status, refused.json.detail]).toEqual([409, expect.stringContaining("merge")]);
    expect((await rename({ from: "Rot", to: "red", merge: true })).json).toMatchObject({ changed: 2, left: 0 });
    expect((await call("GET", "/urls/m-2")).json.tags).toEqual(["red"]);
    // Another case of the same tag is no other tag.
    expect((await rename({ from: "red", to: "Red" })).json).toMatchObject({ changed: 3, left: 0 });
    expect((await call("GET", "/urls/m-1")).json.tags).toEqual(["Red"]);
    expect((await rename({ from: "red", to: "Red" })).json).toMatchObject({ changed: 0, left: 0 });
    expect((await rename({ from: "Red", to: "Red" })).status).toBe(400);
    expect(await server().verify()).toEqual([]);
  });

  test("are renamed by editors, and not by creators", async () => {
    const { call, adminId } = server();
    await create("role", ["mine"]);
    for (const [role, status] of [
      ["creator", 403],
      ["editor", 200],
    ] as const) {
      const { key } = (await call("POST", `/users/${adminId}/keys`, { name: role, role })).json;
      expect((await rename({ from: "mine", to: `by-${role}` }, key)).status).toBe(status);
    }
  });

  test("are not told of while the table does not have every link", async () => {
    const { call, store } = server();
    await store.tamper("update side_tables set is_complete = 0 where name = 'link_tags'");
    for (const path of ["/urls?tag=red", "/api/tags", "/events?tag=red"]) {
      const answer = await call("GET", path);
      expect([path, answer.status, answer.json.detail]).toEqual([path, 503, expect.stringContaining("reindex")]);
    }
    expect((await rename({ from: "Red", to: "x" })).status).toBe(503);
    await store.tamper("update side_tables set is_complete = 1 where name = 'link_tags'");
  });
});
