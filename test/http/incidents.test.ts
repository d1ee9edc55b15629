// Incidents: what they match, that they take down exactly that and bring back exactly what they took, and hold while they are open.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LIMITS } from "../../src/limits.ts";
import { type IncidentMatch, matchesGlob } from "../../src/model/incident-match.ts";
import { createStore, describeEachEngine, startServer, until } from "../support/harness.ts";

describeEachEngine("incidents", (server) => {
  const create = async (short_code: string, original_url: string, more: object = {}) =>
    (await server().call("POST", "/urls", { short_code, original_url, ...more })).json;
  const open = (match: object, more: object = {}) =>
    server().call("POST", "/api/incidents", { match, reason: "phishing", ...more });
  const isActive = async (code: string) => (await server().call("GET", `/urls/${code}`)).json.is_active as boolean;
  const post = (id: number, what: string, body?: object) => server().call("POST", `/api/incidents/${id}/${what}`, body);

  test("a preview says what would be touched and touches nothing", async () => {
    const { call, adminId, store } = server();
    for (const at of [1, 2, 3]) await create(`pre-${at}`, `https://preview.example/${at}`, { title: `t${at}` });
    await create("pre-other", "https://preview.example.org/");
    await store.tamper("insert into click_totals (url_id, clicks) select id, 7 from urls where short_code = 'pre-2'");
    const count = () => store.query("select count(*) as n from events");
    const before = await count();
    const { json, status } = await open({ host: "PREVIEW.example" }, { dry_run: true });
    expect(status).toBe(200);
    expect(json.preview).toMatchObject({ links: 3, most_clicked: [{ short_code: "pre-2", clicks: 7 }] });
    expect(json.preview.newest.map((link: { short_code: string }) => link.short_code)).toEqual([
      "pre-3",
      "pre-2",
      "pre-1",
    ]);
    expect(json.preview.owners).toEqual([{ user_id: adminId, links: 3 }]);
    expect(await count()).toEqual(before);
    expect((await call("GET", "/api/incidents")).json).toEqual([]);
  });

  test("takes down what matches and nothing else, each link with its event, all in the incident's own history", async () => {
    const { call } = server();
    for (const at of [1, 2]) await create(`bad-${at}`, `https://bad.example/${at}`);
    await create("fine", "https://bad.example.org/bad.example");
    const opened = await open({ host: "bad.example" });
    expect(opened.status).toBe(201);
    const { id } = opened.json.incident;
    expect(opened.json).toMatchObject({ changed: 2, left: 0, settled: true, incident: { taken: 2, is_open: true } });
    expect((await call("GET", "/bad-1", undefined, { key: null })).status).toBe(404);
    expect(await isActive("fine")).toBe(true);
    const link = (await call("GET", "/urls/bad-1")).json;
    expect(link).toMatchObject({ is_active: false, incident_id: id });
    expect(link.events.at(-1)).toMatchObject({ event_type: "deleted", reason: "incident" });
    expect(await server().verify()).toEqual([]);
    const restored = await call("POST", "/urls/bad-2/restore", {});
    expect(restored.json).toMatchObject({ is_active: true, incident_id: null });
    // What came back by hand is no longer the incident's.
    const undone = await post(id, "undo");
    expect(undone.json).toMatchObject({ changed: 1, left: 0, incident: { taken: 2, undone: 1 } });
    expect([await isActive("bad-1"), await isActive("bad-2")]).toEqual([true, true]);
    expect((await call("GET", "/urls/bad-1")).json.incident_id).toBeNull();
    expect(await server().verify()).toEqual([]);
  });

  test("undo brings back nothing that was deleted for another reason, before or since", async () => {
    const { call } = server();
    for (const code of ["undo-1", "undo-2", "undo-3"]) await create(code, "https://undo.example/");
    await call("DELETE", "/urls/undo-1", { reason: "duplicate" });
    const { id } = (await open({ host: "undo.example" })).json.incident;
    await call("POST", "/urls/undo-2/restore", {});
    await call("DELETE", "/urls/undo-2", { reason: "expired" });
    await post(id, "close", { reason: "over" });
    expect((await post(id, "close")).status).toBe(409);
    expect((await post(id, "act")).status).toBe(409);
    expect((await post(id, "undo")).json).toMatchObject({ changed: 1, incident: { is_open: false, undone: 1 } });
    expect([await isActive("undo-1"), await isActive("undo-2"), await isActive("undo-3")]).toEqual([
      false,
      false,
      true,
    ]);
    expect(await server().verify()).toEqual([]);
  });

  test("a hold refuses to make, change into, restore, revert or import what matches, until it is closed", async () => {
    const { call } = server();
    await create("held", "https://held.example/");
    await create("turned", "https://other.example/");
    const { id } = (await open({ host_suffix: "held.example" }, { hold: true })).json.incident;
    const refused: [string, string, object][] = [
      ["POST", "/urls", { original_url: "https://x.held.example/", short_code: "held-new" }],
      ["POST", "/urls", { original_url: "https://held.example./", find_existing: true }],
      ["PATCH", "/urls/turned", { original_url: "https://a.b.held.example/" }],
      ["POST", "/urls/held/restore", {}],
      ["POST", "/urls/held/revert", { to_version: 1 }],
    ];
    for (const [method, path, body] of refused) {
      const answer = await call(method, path, body);
      expect([path, answer.status, answer.json.detail]).toEqual([
        path,
        409,
        expect.stringContaining(`incident ${id} holds`),
      ]);
    }
    const rows = '{"original_url":"https://held.example/"}\n{"original_url":"https://fine.example/"}';
    const bulk = await call("POST", "/urls/bulk", rows, { headers: { "content-type": "application/x-ndjson" } });
    expect(
      bulk.text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).status),
    ).toEqual([409, 201]);
    // What does not match, or did before and keeps its target, may be changed.
    expect((await call("PATCH", "/urls/turned", { title: "t" })).status).toBe(200);
    expect((await post(id, "undo")).json).toMatchObject({ changed: 1, left: 0 });
    expect((await call("PATCH", "/urls/held", { title: "t" })).status).toBe(200);
    await post(id, "close");
    expect(
      (await call("POST", "/urls", { original_url: "https://held.example/", short_code: "held-new" })).status,
    ).toBe(201);
    expect(await server().verify()).toEqual([]);
  });

  test("a hold by tag or owner refuses what comes to match by a change of those, and renaming into the tag", async () => {
    const { call, adminId } = server();
    await create("turn-tag", "https://turn.example/");
    await create("turn-both", "https://turn.example/", { tags: ["other"] });
    const tagged = (await open({ tag: "Bad" }, { hold: true })).json.incident;
    const owned = (await open({ owner: adminId, host: "turn.example" }, { hold: true, dry_run: true })).json;
    expect(owned.preview.links).toBe(2);
    expect((await call("PATCH", "/urls/turn-tag", { tags: ["bad"] })).status).toBe(409);
    expect((await call("PATCH", "/urls/turn-tag", { tags: ["good"] })).status).toBe(200);
    expect((await call("POST", "/api/tags/rename", { from: "other", to: "bad" })).status).toBe(409);
    await post(tagged.id, "close");
    expect((await call("PATCH", "/urls/turn-tag", { tags: ["bad"] })).status).toBe(200);
  });

  test("a hold on a key goes by the key that a link was made with", async () => {
    const { call, adminId } = server();
    const { id: keyId, key } = (await call("POST", `/users/${adminId}/keys`, { name: "stolen", role: "editor" })).json;
    await call("POST", "/urls", { original_url: "https://kh.example/", short_code: "kh-1" }, { key });
    await create("kh-2", "https://kh.example/");
    const { id } = (await open({ key: keyId }, { hold: true })).json.incident;
    expect([await isActive("kh-1"), await isActive("kh-2")]).toEqual([false, true]);
    expect((await call("POST", "/urls/kh-1/restore", {})).status).toBe(409);
    expect((await call("PATCH", "/urls/kh-2", { original_url: "https://kh.example/2" }, { key })).status).toBe(200);
    await post(id, "close");
    expect((await call("POST", "/urls/kh-1/restore", {})).status).toBe(200);
  });

  test("one link is brought back alone, while all else stays down and the hold goes on", async () => {
    const { call } = server();
    for (const name of ["fine", "bad", "other"]) await create(`part-${name}`, `https://part.example/${name}`);
    await create("part-gone", "https://part.example/gone");
    await call("DELETE", "/urls/part-gone", { reason: "duplicate" });
    const { id } = (await open({ host: "part.example" }, { hold: true })).json.incident;
    const undo = (codes: string[]) => call("POST", `/api/incidents/${id}/undo`, { codes });
    expect((await call("POST", "/urls/part-fine/restore", {})).status).toBe(409);
    expect((await undo(["nobody-has-it"])).status).toBe(404);
    expect(await undo(["part-fine", "part-gone"])).toMatchObject({
      status: 409,
      json: { detail: expect.stringContaining("part-gone") },
    });
    expect(await isActive("part-fine")).toBe(false);
    expect((await undo([])).status).toBe(400);
    expect((await undo(["part-fine", "part-fine"])).json).toMatchObject({
      changed: 1,
      left: 0,
      settled: true,
      incident: { undone: 1, is_open: true },
    });
    expect([await isActive("part-fine"), await isActive("part-bad"), await isActive("part-other")]).toEqual([
      true,
      false,
      false,
    ]);
    expect((await call("POST", "/urls", { original_url: "https://part.example/new" })).status).toBe(409);
    expect((await post(id, "undo")).json).toMatchObject({ changed: 2, left: 0 });
    expect(await isActive("part-gone")).toBe(false);
    await post(id, "close");
    expect(await server().verify()).toEqual([]);
  });

  test("one that was undone takes nothing more", async () => {
    await create("undone-1", "https://undone.example/");
    const { id } = (await open({ host: "undone.example" })).json.incident;
    await post(id, "undo");
    const again = await post(id, "act");
    expect([again.status, again.json.detail]).toEqual([409, expect.stringContaining("was undone")]);
    expect(await isActive("undone-1")).toBe(true);
  });

  test.each(["/😀x", "/İx", "/ΣΑΣ", "/CAFÉ", "/café", "/Kelvin"])(
    "globs of other alphabets come to an end at %s, and what is left is told right",
    async (path) => {
      const code = `glob-${Bun.hash(path).toString(36)}`;
      const host = `${code.toLowerCase()}.example`;
      await create(code, `https://${host}${path}`);
      for (const glob of ["*/?x", "*Σ", "*/café", "*/CAFÉ", "*/k*n"]) {
        const { json } = await open({ glob, host });
        expect([json.left, json.settled]).toEqual([0, true]);
        expect(await isActive(code)).toBe(json.changed === 0);
        await post(json.incident.id, "undo");
      }
    },
  );

  test("whoever decides while the holds are read waits for the same reading", async () => {
    const { holds } = server().deadletter.core;
    await holds.refresh();
    holds.expire();
    const readings = [holds.refresh(), holds.refresh(), holds.refresh()];
    expect(readings[0]).toBeInstanceOf(Promise);
    expect(new Set(readings).size).toBe(1);
    await readings[0];
  });

  test("so many may hold at once, and no more", async () => {
    const ids: number[] = [];
    for (let at = 0; at < LIMITS.openHolds; at++)
      ids.push((await open({ host: `h${at}.limit.example` }, { hold: true })).json.incident.id);
    const refused = await open({ host: "more.limit.example" }, { hold: true });
    expect([refused.status, refused.json.detail]).toEqual([409, expect.stringContaining("hold links already")]);
    expect((await open({ host: "more.limit.example" })).status).toBe(201);
    for (const id of ids) await post(id, "close");
  });

  test("what a character is, both sides agree on, so that a takedown comes to its end", async () => {
    await create("emoji", "https://emoji.example/a\u{1f600}b");
    const { json } = await open({ glob: "https://emoji.example/a?b" });
    expect(json).toMatchObject({ changed: 1, left: 0, settled: true });
  });

  test("with a hold is not settled before what began earlier has ended", async () => {
    const opened = await open({ host: "settle.example" }, { hold: true });
    expect(opened.json).toMatchObject({ left: 0, settled: false });
    expect(opened.json.again_ms).toBeGreaterThan(0);
    const created = Date.parse(opened.json.incident.created_at);
    server().setClock(() => created + 60_000);
    expect((await post(opened.json.incident.id, "act")).json).toMatchObject({ settled: true, again_ms: 0 });
    server().setClock(Date.now);
    await post(opened.json.incident.id, "close");
  });

  test("undo leaves down what another incident holds, and says how many", async () => {
    await create("both", "https://both.example/x");
    const first = (await open({ host: "both.example" })).json.incident;
    const second = (await open({ glob: "*both.example*" }, { hold: true })).json.incident;
    expect((await post(first.id, "undo")).json).toMatchObject({ changed: 0, skipped: 1, left: 0 });
    await post(second.id, "close");
    expect((await post(first.id, "undo")).json).toMatchObject({ changed: 1, skipped: 0 });
  });

  test.each<[IncidentMatch, string[]]>([
    [{ host: "m.example" }, ["m-1", "m-2"]],
    [{ host_suffix: "m.example" }, ["m-1", "m-2", "m-3"]],
    [{ host_suffix: "*.m.example" }, ["m-1", "m-2", "m-3"]],
    [{ tag: "BAIT" }, ["m-2", "m-4"]],
    [{ tag: "bait", host: "m.example" }, ["m-2"]],
    [{ codes: ["m-1", "m-4"] }, ["m-1", "m-4"]],
    [{ codes: ["m-1", "m-4"], host_suffix: "m.example" }, ["m-1"]],
    [{ glob: "*/LOGIN?php*" }, ["m-2", "m-4"]],
    [{ glob: "https://m.example/%" }, []],
    [{ host: "nothing.example" }, []],
  ])("%j matches %j", async (match, codes) => {
    const { call } = server();
    if ((await call("GET", "/urls/m-1")).status === 404) {
      await create("m-1", "https://m.example/");
      await create("m-2", "https://m.example/login.php", { tags: ["bait"] });
      await create("m-3", "https://sub.m.example/");
      await create("m-4", "https://notm.example/Login.PHP?x", { tags: ["Bait"] });
    }
    const { json } = await open(match, { dry_run: true });
    expect(json.preview.newest.map((link: { short_code: string }) => link.short_code).sort()).toEqual(codes);
  });

  test("matches by owner, by key and by when links were made", async () => {
    const { call, adminId } = server();
    const user = (await call("POST", "/users", { username: "mallory", email: "m@a.example" })).json;
    const keys = [];
    for (const name of ["one", "two"])
      keys.push((await call("POST", `/users/${user.id}/keys`, { name, role: "creator" })).json);
    for (const [at, { key }] of keys.entries())
      await call("POST", "/urls", { original_url: "https://k.example/", short_code: `by-key-${at}` }, { key });
    const codes = async (match: object) =>
      (await open(match, { dry_run: true })).json.preview.newest
        .map((link: { short_code: string }) => link.short_code)
        .sort();
    expect(await codes({ owner: user.id })).toEqual(["by-key-0", "by-key-1"]);
    expect(await codes({ key: keys[1].id })).toEqual(["by-key-1"]);
    const soon = new Date(Date.now() + 60_000).toISOString();
    expect(await codes({ owner: user.id, created_between: ["2020-01-01T00:00:00Z", soon] })).toHaveLength(2);
    expect(await codes({ owner: user.id, created_between: [soon, "2099-01-01T00:00:00Z"] })).toEqual([]);
    // A hold on a key lets nobody make a link with it.
    const { id } = (await open({ key: keys[0].id }, { hold: true })).json.incident;
    const body = { original_url: "https://k.example/2" };
    expect((await call("POST", "/urls", body, { key: keys[0].key })).status).toBe(409);
    expect((await call("POST", "/urls", body, { key: keys[1].key })).status).toBe(201);
    await post(id, "close");
    expect(adminId).toBeGreaterThan(0);
  });

  test.each<[object, string]>([
    [{}, "which links"],
    [{ glob: "**" }, "every link"],
    [{ created_between: ["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"] }, "alone"],
    [{ host: "a", created_between: ["2021-01-01T00:00:00Z", "2020-01-01T00:00:00Z"] }, "end after"],
    [{ host: "https://x" }, "host"],
    [{ host: "a/b" }, "host"],
    [{ codes: ["ab"] }, "no code"],
    [{ codes: [] }, "codes"],
    [{ regex: ".*" }, "regex"],
  ])("refuses to match %j: %s", async (match, rule) => {
    const answer = await open(match);
    expect([answer.status, answer.json.detail]).toEqual([400, expect.stringContaining(rule)]);
  });

  test("is for editors; readers may look", async () => {
    const { call, adminId } = server();
    const roles: Record<string, string> = {};
    for (const role of ["reader", "creator", "editor"])
      roles[role] = (await call("POST", `/users/${adminId}/keys`, { name: role, role })).json.key;
    const ask = async (role: string, method: string, path: string, body?: object) =>
      (await call(method, path, body, { key: roles[role] ?? "" })).status;
    const body = { match: { host: "roles.example" }, reason: "x" };
    expect(await ask("creator", "POST", "/api/incidents", body)).toBe(403);
    expect(await ask("editor", "POST", "/api/incidents", body)).toBe(201);
    expect(await ask("reader", "GET", "/api/incidents")).toBe(200);
    expect(await ask("reader", "GET", "/api/incidents/999999")).toBe(404);
  });

  test("after the person who did it was erased, undo works and the report says erased", async () => {
    const { call } = server();
    const user = (await call("POST", "/users", { username: "oncall", email: "o@a.example" })).json;
    const { key } = (await call("POST", `/users/${user.id}/keys`, { name: "k", role: "editor" })).json;
    await create("erased-1", "https://erased.example/");
    const opened = await call("POST", "/api/incidents", { match: { host: "erased.example" }, reason: "x" }, { key });
    const { id } = opened.json.incident;
    await call("POST", `/users/${user.id}/erase`, {});
    expect((await call("GET", `/api/incidents/${id}/report`)).json.timeline[0].who).toBe("(erased)");
    expect((await post(id, "undo")).json.changed).toBe(1);
    expect(await isActive("erased-1")).toBe(true);
    expect(await server().verify()).toEqual([]);
  });

  test("the report says when, who, which links, how often they were followed, what browsers keep, and where the proof is", async () => {
    const { call, store } = server();
    await create("rep-1", "https://report.example/|`x`<b>", { status: 301 });
    await create("rep-2", "https://report.example/", { max_age: 60 });
    const hour = Math.floor(Date.now() / 3_600_000);
    await store.tamper(
      `insert into click_hours (url_id, hour, kind, device, referrer, clicks)
       select id, ${hour - 1}, 'click', 'desktop', '', 5 from urls where short_code = 'rep-1'`,
    );
    const { id } = (await open({ host: "report.example" })).json.incident;
    await post(id, "close");
    const { json } = await call("GET", `/api/incidents/${id}/report`);
    expect(json.timeline.map(({ what, links }: { what: string; links: number }) => [what, links])).toEqual([
      ["opened", 0],
      ["took down", 2],
      ["closed", 0],
    ]);
    expect(json.clicks).toBe(5);
    expect(json.links.map((link: { short_code: string }) => link.short_code)).toEqual(["rep-1", "rep-2"]);
    expect(json.still_followed.map(({ why }: { why: string }) => why.split(",")[0])).toEqual(["status 301", "max-age"]);
    await server().sequence();
    const { event } = json.timeline[1];
    expect((await call("GET", `/events/${event}/proof`)).status).toBe(200);
    const markdown = await call("GET", `/api/incidents/${id}/report?format=markdown`);
    expect(markdown.headers.get("content-type")).toBe("text/markdown; charset=utf-8");
    expect(markdown.text).toContain("# Incident");
    expect(markdown.text).toMatch(/were taken down: \d+;\nbrought back: \d+\. It is /);
    expect(markdown.text).toContain("They lead to `");
    expect(markdown.text).not.toContain("|`x`<b> |");
    expect((await call("GET", `/api/incidents/${id}/report?format=pdf`)).status).toBe(400);
  });
});

describe.each(["sqlite", "postgres"] as const)("on two replicas, %s", (engine) => {
  test("a hold is heard of, what is made meanwhile is taken too, and none survives", async () => {
    const store = await createStore(engine);
    const one = await startServer(store);
    const two = await startServer(store);
    for (const each of [one, two]) await each.deadletter.start();
    const key = { key: one.adminKey };
    let isOver = false;
    let made = 0;
    const writers = [one, two].map(async (each) => {
      while (!isOver) {
        const { status } = await each.call("POST", "/urls", { original_url: `https://storm.example/${made}` }, key);
        if (status === 201) made += 1;
        else await Bun.sleep(1);
      }
    });
    await until("some are made", () => made > 50);
    const match = { host: "storm.example" };
    const opened = await one.call("POST", "/api/incidents", { match, reason: "x", hold: true }, key);
    const { id } = opened.json.incident;
    let last = opened.json;
    while (!last.settled) {
      if (last.left === 0) await Bun.sleep(Math.min(last.again_ms, 500));
      last = (await two.call("POST", `/api/incidents/${id}/act`, undefined, key)).json;
    }
    isOver = true;
    await Promise.all(writers);
    const left = await store.query<{ n: number }>("select count(*) as n from urls where is_active = 1");
    expect(Number(left[0]?.n)).toBe(0);
    const refused = await two.call("POST", "/urls", { original_url: "https://storm.example/" }, key);
    expect(refused.status).toBe(409);
    expect((await one.call("GET", `/api/incidents/${id}`, undefined, key)).json.taken).toBeGreaterThanOrEqual(made);
    expect(await one.verify()).toEqual([]);
    for (const each of [one, two]) await each.close();
    store.remove();
  }, 60_000);
});

test("a process that follows no log asks before it decides, and one that starts asks once more", async () => {
  const store = await createStore("sqlite");
  const [one, two] = [await startServer(store), await startServer(store)];
  // Neither was started: nobody sequences, and nobody hears.
  const key = { key: one.adminKey };
  await two.call("POST", "/urls", { original_url: "https://fine.example/" }, key);
  const opened = await one.call(
    "POST",
    "/api/incidents",
    { match: { host: "far.example" }, reason: "x", hold: true },
    key,
  );
  expect(opened.status).toBe(201);
  await Bun.sleep(two.deadletter.config.cacheStaleMax + 50);
  expect((await two.call("POST", "/urls", { original_url: "https://far.example/" }, key)).status).toBe(409);
  for (const each of [one, two]) await each.close();
  store.remove();
}, 30_000);

describe("matchesGlob()", () => {
  test.each([
    ["*", "", true],
    ["a*c", "abc", true],
    ["a*c", "abcd", false],
    ["*a*b*", "xxaxxbxx", true],
    ["?b?", "abc", true],
    ["?", "", false],
    ["a.c", "abc", false],
    ["(a+)+$", "aaaa", false],
    ["a?b", "a\u{1f600}b", true],
    ["**", "x", true],
  ])("%s against %s is %p", (glob, text, expected) => {
    expect(matchesGlob(glob, text)).toBe(expected);
  });

  test("is what a regular expression says (property), in bounded time", () => {
    const pieces = fc.array(fc.constantFrom("a", "b", "*", "?"), { maxLength: 8 }).map((parts) => parts.join(""));
    const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 });
    fc.assert(
      fc.property(pieces, text, (glob, value) => {
        const pattern = new RegExp(`^${glob.replace(/\*+/g, ".*").replaceAll("?", ".")}$`, "u");
        expect(matchesGlob(glob, value)).toBe(pattern.test(value));
      }),
      { numRuns: 5_000 },
    );
    expect(matchesGlob(`${"*a".repeat(200)}b`, "a".repeat(2_048))).toBe(false);
  });
});
