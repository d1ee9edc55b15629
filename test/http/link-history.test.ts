// A link's past: back to a version, the difference of two, and why a code redirects or not.

import { expect, test } from "bun:test";
import { describeEachEngine } from "../support/harness.ts";

describeEachEngine("a link's past", (server) => {
  const create = async (body: object = {}) =>
    (await server().call("POST", "/urls", { original_url: "https://example.com/one", ...body })).json;

  test("revert brings back what a version said, as a new version that says which", async () => {
    const { call } = server();
    await create({ short_code: "back", title: "One", tags: ["a"], max_age: 60 });
    await call("PATCH", "/urls/back", {
      original_url: "https://example.com/two",
      title: "Two",
      tags: [],
      max_age: null,
    });
    await call("PATCH", "/urls/back", { expires_at: "2099-01-01T00:00:00Z" });
    const answer = await call("POST", "/urls/back/revert", { to_version: 1, reason: "it was right" });
    expect(answer.json).toMatchObject({
      original_url: "https://example.com/one",
      title: "One",
      tags: ["a"],
      max_age: 60,
      expires_at: null,
      version: 4,
    });
    const { events } = (await call("GET", "/urls/back")).json;
    expect(events.at(-1)).toMatchObject({
      event_type: "updated",
      reason: "it was right",
      details: { reverted_to: 1, changes: { title: { from: "Two", to: "One" } } },
    });
    expect((await call("GET", "/back", undefined, { key: null })).headers.get("location")).toBe(
      "https://example.com/one",
    );
    // Once more changes nothing.
    expect((await call("POST", "/urls/back/revert", { to_version: 1 })).json.version).toBe(4);
    expect(await server().verify()).toEqual([]);
  });

  test("revert works for a deleted link, by version or by time, and refuses what is no version to return to", async () => {
    const { call } = server();
    const { created_at } = await create({ short_code: "gone", title: "alive" });
    await Bun.sleep(3);
    await call("PATCH", "/urls/gone", { title: "other" });
    await call("DELETE", "/urls/gone");
    const refusals: [object, number][] = [
      [{}, 400],
      [{ to_version: 1, at: created_at }, 400],
      [{ to_version: 9 }, 404],
      [{ to_version: 3 }, 409],
      [{ at: "2020-01-01T00:00:00Z" }, 404],
      [{ at: "soon" }, 400],
      [{ to_version: 0 }, 400],
    ];
    for (const [body, status] of refusals)
      expect([body, (await call("POST", "/urls/gone/revert", body)).status]).toEqual([body, status]);
    const answer = await call("POST", "/urls/gone/revert", { at: created_at });
    expect(answer.json).toMatchObject({ title: "alive", is_active: true, version: 4 });
    const { events } = (await call("GET", "/urls/gone")).json;
    expect(events.at(-1)).toMatchObject({ event_type: "restored", details: { reverted_to: 1 } });
    expect(
      (await call("POST", "/urls/gone/revert", { to_version: 2 }, { headers: { "if-match": '"3"' } })).status,
    ).toBe(412);
    expect(await server().verify()).toEqual([]);
  });

  test("a deletion is told as it was, whatever became of the link after it", async () => {
    const { call } = server();
    await create({ short_code: "tagged", tags: ["aa"] });
    await call("DELETE", "/urls/tagged", { reason: "policy_cleanup" });
    await call("POST", "/api/tags/rename", { from: "aa", to: "bb" });
    const explained = (await call("GET", "/urls/tagged/explain")).json;
    expect(explained).toMatchObject({ verdict: "inactive", last_change: { event_type: "deleted", version: 2 } });
    expect(explained.why).toContain("policy_cleanup");
    const refused = await call("POST", "/urls/tagged/revert", { to_version: 3 });
    expect([refused.status, refused.json.detail]).toEqual([409, expect.stringContaining("revert to version 1,")]);
    await call("GET", "/nobody-knows", undefined, { key: null });
    expect((await call("GET", "/urls/nobody-knows/explain")).json.cached).toMatchObject({ verdict: "missing" });
  });

  test("revert keeps the owner, and brings back no target that is the server's own by now", async () => {
    const { call } = server();
    const other = (await call("POST", "/users", { username: "heir", email: "heir@a.example" })).json;
    await create({ short_code: "owned" });
    await call("PATCH", "/urls/owned", { user_id: other.id, title: "x" });
    expect((await call("POST", "/urls/owned/revert", { to_version: 1 })).json).toMatchObject({
      title: "",
      user_id: other.id,
    });
    const { core } = server().deadletter;
    const known = core.ownHosts();
    await create({ short_code: "loop", original_url: "https://later.example/x" });
    await call("PATCH", "/urls/loop", { original_url: "https://example.com/" });
    Object.assign(core, { ownHosts: () => new Set([...known, "later.example"]) });
    const refused = await call("POST", "/urls/loop/revert", { to_version: 1 });
    expect([refused.status, refused.json.detail]).toEqual([400, expect.stringContaining("own redirect host")]);
    Object.assign(core, { ownHosts: () => known });
  });

  test("an Idempotency-Key makes one version of a revert that is sent twice", async () => {
    const { call } = server();
    await create({ short_code: "twice" });
    await call("PATCH", "/urls/twice", { title: "x" });
    const headers = { "idempotency-key": '"revert-1"' };
    const versions = [];
    for (let time = 0; time < 2; time++)
      versions.push((await call("POST", "/urls/twice/revert", { to_version: 1 }, { headers })).json.version);
    expect(versions).toEqual([3, 3]);
  });

  test("diff says what two versions say differently, by default the newest and the one before", async () => {
    const { call } = server();
    await create({ short_code: "diff", title: "a" });
    await call("PATCH", "/urls/diff", { title: "b", status: 301 });
    await call("DELETE", "/urls/diff");
    expect((await call("GET", "/urls/diff/diff")).json).toMatchObject({
      from: { version: 2 },
      to: { version: 3 },
      changes: { is_active: { from: true, to: false } },
    });
    const { json } = await call("GET", "/urls/diff/diff?from=1&to=3");
    expect(json.changes).toEqual({
      title: { from: "a", to: "b" },
      is_active: { from: true, to: false },
      status: { from: 302, to: 301 },
    });
    expect((await call("GET", "/urls/diff/diff?from=3&to=3")).json.changes).toEqual({});
    expect((await call("GET", "/urls/diff/diff?from=4")).status).toBe(404);
    expect((await call("GET", "/urls/diff/diff?from=x")).status).toBe(400);
    expect((await call("GET", "/urls/nobody/diff")).status).toBe(404);
  });

  test("explain says why a code redirects, or does not, who made it so, and what looks like it", async () => {
    const { call } = server();
    const explain = async (code: string) => (await call("GET", `/urls/${code}/explain`)).json;
    await create({ short_code: "Known" });
    expect(await explain("Known")).toMatchObject({
      redirects: true,
      verdict: "redirects",
      near: [],
      target: "https://example.com/one",
    });
    await call("GET", "/Known", undefined, { key: null });
    expect((await explain("Known")).cached).toMatchObject({ version: 1, verdict: "redirects" });
    await call("DELETE", "/urls/Known", { reason: "duplicate" });
    const gone = await explain("Known");
    expect(gone).toMatchObject({ redirects: false, verdict: "inactive", last_change: { event_type: "deleted" } });
    expect(gone.why).toContain("by admin");
    expect(gone.why).toContain("duplicate");
    for (const [code, near] of [
      ["known", "Known"],
      ["Knwon", "Known"],
      ["Knoown", "Known"],
      ["Knon", "Known"],
      ["Knewn", "Known"],
    ])
      expect([code, (await explain(code ?? "")).near]).toEqual([code, [near]]);
    expect(await explain("nothinglikeit")).toMatchObject({ verdict: "missing", near: [], last_change: null });
    expect(await explain("metrics")).toMatchObject({ verdict: "reserved" });
    expect(await explain("a.b")).toMatchObject({ verdict: "not_a_code" });
    await create({ short_code: "early", starts_at: "2099-01-01T00:00:00Z" });
    expect(await explain("early")).toMatchObject({ verdict: "not_started", starts_at: "2099-01-01T00:00:00.000Z" });
    await create({ short_code: "late", expires_at: "2020-01-01T00:00:00Z" });
    expect(await explain("late")).toMatchObject({ verdict: "expired" });
  });
});
