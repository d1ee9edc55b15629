// A store that the first release wrote opens, serves, takes changes and verifies; and that release beside this one loses nothing.

import { afterAll, describe, expect, test } from "bun:test";
import { createStore, ENGINES, type TestStore, until } from "./support/harness.ts";
import { hasOldRelease, oldRelease } from "./support/old-release.ts";
import { runDeadletter, type Served, startServe } from "./support/process.ts";

const ADMIN_KEY = `dl_${"k".repeat(43)}`;
const old = hasOldRelease ? oldRelease() : [];
const running = new Set<Served>();

afterAll(async () => {
  for (const served of running) await stop(served);
});

async function serve(store: TestStore, command?: string[]): Promise<Served> {
  const environment = { ...store.environment, DEADLETTER_ADMIN_KEY: ADMIN_KEY };
  const served = await (command ? startServe(environment, [], command) : startServe(environment));
  running.add(served);
  return served;
}

async function stop(served: Served): Promise<void> {
  running.delete(served);
  served.child.kill("SIGTERM");
  await served.child.exited;
}

async function call({ url }: Served, method: string, path: string, body?: object) {
  const response = await fetch(url + path, {
    method,
    redirect: "manual",
    headers: { authorization: `Bearer ${ADMIN_KEY}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: an answer's JSON is whatever the server sent; tests look into it.
  return { status: response.status, headers: response.headers, json: text === "" ? null : (JSON.parse(text) as any) };
}

async function verify(store: TestStore) {
  const { exitCode, stdout, stderr } = await runDeadletter(["verify"], store.environment);
  return { exitCode, said: stdout + stderr };
}

const count = async (store: TestStore, table: string) => {
  const [row] = await store.query<{ count: number }>(`select count(*) as count from ${table}`);
  return Number(row?.count);
};

describe.skipIf(!hasOldRelease)("a store of the first release", () => {
  test.each([...ENGINES])(
    "on %s migrates, opens, serves, takes changes and verifies",
    async (engine) => {
      const store = await createStore(engine);
      const first = await serve(store, old);
      await call(first, "POST", "/urls", { original_url: "https://Example.COM./a", short_code: "first" });
      await call(first, "PATCH", "/urls/first", { title: "second version", expires_at: "2090-01-01T00:00:00Z" });
      await call(first, "POST", "/urls", { original_url: "https://b.example/", short_code: "gone" });
      await call(first, "DELETE", "/urls/gone", { reason: "duplicate" });
      const { id: ada } = (await call(first, "POST", "/users", { username: "ada", email: "ada@example.com" })).json;
      const { id: key } = (await call(first, "POST", `/users/${ada}/keys`, { name: "k", role: "editor" })).json;
      const before = (await call(first, "GET", "/urls/first")).json;
      await stop(first);

      const migrated = await runDeadletter(["migrate"], store.environment);
      expect([migrated.exitCode, migrated.stderr]).toEqual([0, ""]);
      const now = await serve(store);
      expect((await call(now, "GET", "/urls/first")).json).toMatchObject(before);
      expect((await call(now, "GET", "/first")).headers.get("location")).toBe("https://Example.COM./a");
      expect((await call(now, "GET", "/gone")).status).toBe(404);
      expect((await call(now, "POST", "/urls/gone/restore")).json).toMatchObject({ version: 3, is_active: true });
      expect((await call(now, "PATCH", "/urls/first", { original_url: "https://c.example/" })).status).toBe(200);
      expect((await call(now, "POST", "/urls", { original_url: "https://d.example/", short_code: "new" })).status).toBe(
        201,
      );
      expect((await call(now, "DELETE", `/users/${ada}/keys/${key}`)).status).toBe(200);
      expect((await call(now, "POST", `/users/${ada}/erase`)).json.erased).toEqual({ actors: 0, states: 1 });
      if (engine === "postgres") {
        const finalized = await runDeadletter(["migrate", "--finalize"], store.environment);
        expect([finalized.exitCode, finalized.stdout]).toEqual([0, expect.stringContaining("9 rows indexed")]);
      }
      await until("the side tables are complete", async () => {
        const { stdout } = await runDeadletter(["reindex", "--status", "--json"], store.environment);
        return JSON.parse(stdout).tables.every((each: { is_complete: boolean }) => each.is_complete);
      });
      const hosts = await store.query<{ host: string }>("select host from link_hosts order by host");
      expect(hosts.map(({ host }) => host)).toEqual(["b.example", "c.example", "d.example"]);
      await stop(now);
      expect(await verify(store)).toMatchObject({ exitCode: 0, said: expect.stringContaining("all true") });
      store.remove();
    },
    60_000,
  );

  test("that still runs beside this one writes until the store is finalized, and then loses nothing: it is refused", async () => {
    const store = await createStore("postgres");
    const before = await serve(store, old);
    let isOver = false;
    const refused: number[] = [];
    // Links that are made and changed all the while, as a busy replica does.
    const writers = Array.from({ length: 10 }, async (_, writer) => {
      for (let link = 0; !isOver; link++) {
        const code = `w${writer}-${link}`;
        const made = await call(before, "POST", "/urls", { original_url: "https://a.b/", short_code: code });
        const changed = await call(before, "PATCH", `/urls/${code}`, { title: "x" });
        refused.push(...[made, changed].map(({ status }) => status).filter((status) => status >= 400));
      }
    });
    await until("links are made", async () => (await count(store, "urls")) > 20);
    const migrated = await runDeadletter(["migrate"], store.environment);
    expect([migrated.exitCode, migrated.stdout]).toEqual([
      0,
      expect.stringContaining("older releases may still write"),
    ]);
    const after = await serve(store);
    const there = await count(store, "urls");
    await until("more links are made", async () => (await count(store, "urls")) > there + 20);
    isOver = true;
    await Promise.all(writers);
    expect(refused).toEqual([]);

    // Each changes what the other made.
    expect((await call(after, "POST", "/urls", { original_url: "https://a.b/", short_code: "of-new" })).status).toBe(
      201,
    );
    expect((await call(before, "PATCH", "/urls/of-new", { original_url: "https://moved.example/" })).status).toBe(200);
    expect((await call(before, "POST", "/urls", { original_url: "https://a.b/", short_code: "of-old" })).status).toBe(
      201,
    );
    expect((await call(after, "PATCH", "/urls/of-old", { title: "by the new one" })).status).toBe(200);
    expect((await runDeadletter(["reindex"], store.environment)).exitCode).toBe(4);
    expect(await verify(store)).toMatchObject({ exitCode: 0 });

    expect((await runDeadletter(["migrate", "--finalize"], store.environment)).exitCode).toBe(0);
    const events = await count(store, "events");
    const attempts = [
      await call(before, "POST", "/urls", { original_url: "https://a.b/", short_code: "too-late" }),
      await call(before, "PATCH", "/urls/of-new", { title: "too late" }),
      await call(before, "DELETE", "/urls/of-new"),
    ];
    expect(attempts.map(({ status }) => status)).toEqual([500, 500, 500]);
    expect(await count(store, "events")).toBe(events);
    // It goes on to redirect, and to read.
    expect((await call(before, "GET", "/of-new")).headers.get("location")).toBe("https://moved.example/");
    expect((await call(before, "GET", "/urls/of-new")).json.title).toBe("");
    expect((await call(after, "PATCH", "/urls/of-new", { title: "in time" })).status).toBe(200);
    expect(await verify(store)).toMatchObject({ exitCode: 0, said: expect.stringContaining("all true") });
    const [host] = await store.query(
      "select host from link_hosts where url_id = (select id from urls where short_code = 'of-new')",
    );
    expect(host).toEqual({ host: "moved.example" });
    await stop(before);
    await stop(after);
    store.remove();
  }, 120_000);
});
