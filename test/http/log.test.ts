// The signed log over HTTP: what is public, how it is cached, who may follow, what an erasure takes away.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { open } from "../../src/app/open.ts";
import { hashLeaf } from "../../src/audit/event.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { sha256 } from "../../src/runtime/sha256.ts";
import { checkProof } from "../../src/tlog/proof.ts";
import { createStore, ENGINES, startServer, TEST_LOG_KEY, type TestServer, until } from "../support/harness.ts";

describe.each([...ENGINES])("the log on %s", (engine) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(await createStore(engine));
  });
  afterAll(async () => {
    await server.close();
    server.store.remove();
  });
  const anybody = (path: string) => server.call("GET", path, undefined, { key: null });

  test("has no checkpoint before a sequencer has run, and says so", async () => {
    expect([(await anybody("/log/checkpoint")).status, (await anybody("/log/tile/0/000.p/1")).status]).toEqual([
      503, 503,
    ]);
    expect((await server.call("GET", "/log/status")).json).toMatchObject({ size: 0, root: null, backlog: 2 });
    expect((await anybody("/events/1/proof")).status).toBe(503);
  });

  test("serves checkpoint, tiles and entries to everybody, with the caching tlog-tiles asks for", async () => {
    for (let link = 0; link < 300; link++) await server.call("POST", "/urls", { original_url: "https://a.b/" });
    const note = await server.sequence();
    const checkpoint = await anybody("/log/checkpoint");
    expect([checkpoint.text, checkpoint.headers.get("content-type")]).toEqual([note, "text/plain; charset=utf-8"]);
    expect(checkpoint.headers.get("cache-control")).toBe("public, max-age=1");
    for (const path of ["0/000", "0/001.p/46", "0/000.p/7", "1/000.p/1", "entries/000", "entries/001.p/46"]) {
      const tile = await anybody(`/log/tile/${path}`);
      expect([path, tile.status, tile.headers.get("content-type")]).toEqual([path, 200, "application/octet-stream"]);
      expect(tile.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    }
  });

  test.each([
    "0/001",
    "0/001.p/47",
    "0/002.p/1",
    "1/000",
    "1/000.p/2",
    "2/000.p/1",
    "entries/001",
    "63/000",
    "0/x000/000",
    "zz",
    "%zz",
  ])("has no tile %s, and says so as JSON", async (path) => {
    const { status, json } = await anybody(`/log/tile/${path}`);
    expect([status, json.error]).toEqual([404, "not_found"]);
  });

  test("proves an event to everybody, and shows its disclosures to readers only", async () => {
    const proof = await anybody("/events/5/proof");
    expect([proof.status, proof.headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
    expect((await anybody("/events/5/disclosures")).status).toBe(401);
    const { leaf, leaf_hash, actor, state } = (await server.call("GET", "/events/5/disclosures")).json;
    const hash = hashLeaf(Buffer.from(leaf));
    expect(Buffer.from(hash).toString("base64")).toBe(leaf_hash);
    expect(checkProof(proof.text, hash, { key: TEST_LOG_KEY, sha256 })).toBe(4);
    expect([JSON.parse(actor)[1], JSON.parse(state)[1]]).toEqual(["actor", "state"]);
    const { id } = (await server.call("POST", "/urls", { original_url: "https://a.b/" })).json;
    const [event] = (await server.call("GET", `/events?url_id=${id}`)).json;
    expect((await anybody(`/events/${event.id}/proof`)).json.detail).toContain("is not in the log yet");
    expect((await anybody("/events/999999/proof")).status).toBe(404);
    expect((await anybody("/events/x/proof")).status).toBe(404);
  });

  test("gives entries in order from any index, and refuses what is no index", async () => {
    await server.sequence();
    const { json } = await server.call("GET", "/log/entries?from=301&limit=5");
    expect(json.map(({ index }: { index: number }) => index)).toEqual([301, 302]);
    expect((await anybody("/log/entries")).status).toBe(401);
    for (const query of ["from=-1", "from=x", "limit=0", "limit=501", "wait=9", "wait=-1", "to=3", "from=1e3"])
      expect([query, (await server.call("GET", `/log/entries?${query}`)).status]).toEqual([query, 400]);
  });

  test("wakes who waits for the next entry, also on another replica", async () => {
    const other = await open(server.deadletter.config, { log: createLogger("silent"), via: "http" });
    const listeners = other.listen();
    const { size } = (await server.call("GET", "/log/status")).json;
    const waiting = fetch(`${listeners.apiUrl}/log/entries?from=${size}&wait=8`, {
      headers: { authorization: `Bearer ${server.adminKey}` },
    }).then((answer) => answer.json() as Promise<{ index: number; event_type: string }[]>);
    const alsoWaiting = server.call("GET", `/log/entries?from=${size}&wait=8`);
    await server.call("POST", "/urls", { original_url: "https://a.b/" });
    await server.sequence();
    // Not only once the wait has run out.
    const woken = await Promise.race([waiting, Bun.sleep(6_000).then(() => [])]);
    expect(woken[0]).toMatchObject({ index: size, event_type: "created" });
    expect((await alsoWaiting).json[0]).toMatchObject({ index: size });
    await listeners.stop(1_000);
    await other.close();
  });

  test("releases its waiters once the server is stopping", async () => {
    const other = await open(server.deadletter.config, { log: createLogger("silent"), via: "http" });
    const listeners = other.listen();
    const startedMs = performance.now();
    const waiting = fetch(`${listeners.apiUrl}/log/entries?from=99999&wait=8`, {
      headers: { authorization: `Bearer ${server.adminKey}` },
    });
    await Bun.sleep(50);
    other.startDraining();
    expect([(await waiting).status, performance.now() - startedMs < 7_000]).toEqual([200, true]);
    await listeners.stop(1_000);
    await other.close();
  });

  test("keeps its proofs when a person is erased, and says in an event what was taken", async () => {
    const user = (await server.call("POST", "/users", { username: "ada", email: "ada@example.com" })).json;
    const { key } = (await server.call("POST", `/users/${user.id}/keys`, { name: "k", role: "editor" })).json;
    const link = (await server.call("POST", "/urls", { original_url: "https://a.b/" }, { key })).json;
    await server.sequence();
    const [event] = (await server.call("GET", `/events?url_id=${link.id}`)).json;
    expect(event.user_id).toBe(user.id);

    expect((await server.call("POST", `/users/${user.id}/erase`, {}, { key })).status).toBe(403);
    expect((await server.call("POST", `/users/${server.adminId}/erase`)).json.detail).toContain(
      "you cannot erase yourself",
    );
    expect((await server.call("POST", "/users/999/erase")).status).toBe(404);
    const dryRun = (await server.call("POST", `/users/${user.id}/erase`, { dry_run: true })).json;
    expect([dryRun.user.username, dryRun.erased]).toEqual(["ada", { actors: 1, states: 1 }]);
    const { json } = await server.call("POST", `/users/${user.id}/erase`, { reason: "asked" });
    expect(json.erased).toEqual({ actors: 1, states: 1 });
    expect(json.user).toMatchObject({ is_active: false, version: 2 });
    expect((await server.call("POST", `/users/${user.id}/erase`)).status).toBe(409);
    expect((await server.call("GET", "/whoami", undefined, { key })).status).toBe(401);

    const everything = JSON.stringify([
      (await server.call("GET", "/events?per_page=500")).json,
      (await server.call("GET", `/users/${user.id}`)).json,
      await server.store.query("select actor, state from events"),
    ]);
    expect(everything.includes("ada@example.com")).toBe(false);
    expect((await server.call("GET", `/events/${event.id}`)).json).toMatchObject({ user_id: null, actor: null });
    const erased = (await server.call("GET", "/events?event_type=erased")).json;
    expect(erased[0]).toMatchObject({
      subject: `user:${user.id}`,
      details: { erased: { actors: 1, states: 1 } },
      reason: "asked",
    });
    await server.sequence();
    const proof = (await anybody(`/events/${event.id}/proof`)).text;
    expect(checkProof(proof, Buffer.from(event.leaf_hash, "base64url"), { key: TEST_LOG_KEY, sha256 })).toBeGreaterThan(
      0,
    );
    expect(await server.verify()).toEqual([]);
  });

  test("is sequenced by one of several processes at a time, each event once", async () => {
    const others = await Promise.all(
      [1, 2].map(() => open(server.deadletter.config, { log: createLogger("silent"), via: "http" })),
    );
    for (const deadletter of [server.deadletter, ...others]) await deadletter.start();
    await Promise.all(
      Array.from({ length: 200 }, () => server.call("POST", "/urls", { original_url: "https://a.b/" })),
    );
    await until("all is in the log", async () => (await server.call("GET", "/log/status")).json.backlog === 0);
    await until("all were heard of", () => server.deadletter.auditLog.ownWrites.waiting === 0);
    for (const other of others) await other.close();
    expect(await server.verify()).toEqual([]);
  });
});
