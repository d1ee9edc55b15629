// A store whose log went back, as an old backup or an asynchronous failover leaves it: shown everywhere, and no change is taken.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { open } from "../../src/app/open.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { createStore, ENGINES, startServer, type TestServer, type TestStore, until } from "../support/harness.ts";
import { runDeadletter } from "../support/process.ts";

const REASON = /^the log has \d+ entries, but had \d+: the database was restored from an older state$/;

describe.each([...ENGINES])("a log that went back on %s", (engine) => {
  let store: TestStore;
  let server: TestServer;
  let key: string;

  beforeAll(async () => {
    store = await createStore(engine);
    server = await startServer(store);
    key = server.adminKey;
    await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "before" });
    await server.sequence();
    await server.close();
    const putBack = await store.backUp();
    server = await startServer(store);
    await server.call("POST", "/urls", { original_url: "https://a.b/", short_code: "after" }, { key });
    await server.sequence();
    await server.close();
    await putBack();
    server = await startServer(store);
  });
  afterAll(async () => {
    await server.close();
    store.remove();
  });

  const call = (method: string, path: string, body?: object) => server.call(method, path, body, { key });
  const gauge = async () => /^deadletter_log_refused (\d)$/m.exec((await call("GET", "/metrics")).text)?.[1];

  test("is shown by log status, /readyz, /stats and a gauge", async () => {
    expect((await call("GET", "/log/status")).json.refused).toMatch(REASON);
    expect((await call("GET", "/readyz")).json).toMatchObject({ status: "degraded", checks: { log: { ok: false } } });
    expect((await call("GET", "/readyz")).status).toBe(200);
    expect((await call("GET", "/stats")).json.log_refused).toMatch(REASON);
    expect(await gauge()).toBe("1");
    // A command on the store itself says it as well, with no server to ask.
    const status = await runDeadletter(["log", "status"], store.environment);
    expect(status.stdout).toMatch(/\nREFUSED +the log has \d+ entries, but had/);
  });

  test("takes no change, over HTTP or from a command, and goes on redirecting and answering reads", async () => {
    const events = (await call("GET", "/events")).json.length;
    const refused = await call("POST", "/urls", { original_url: "https://a.b/" });
    expect([refused.status, refused.json.error]).toEqual([503, "unavailable"]);
    expect(refused.json.detail).toContain("DEADLETTER_REFUSED_WRITES=allow");
    expect((await call("DELETE", "/urls/before")).status).toBe(503);
    const shorten = await runDeadletter(["shorten", "https://a.b/"], store.environment);
    expect([shorten.exitCode, shorten.stderr]).toEqual([7, expect.stringContaining("no changes are taken")]);
    expect((await call("GET", "/events")).json.length).toBe(events);
    expect((await call("GET", "/before")).status).toBe(302);
  });

  test("is found by a server that runs, and stays refused while nothing mends it", async () => {
    await server.deadletter.start();
    server.deadletter.ready();
    await until("the sequencer has looked", () =>
      server.logLines().some(({ alarm, msg }) => alarm === "refused" && String(msg).includes("is not extended")),
    );
    expect((await call("GET", "/readyz")).json.status).toBe("degraded");
    expect((await call("POST", "/urls", { original_url: "https://a.b/" })).status).toBe(503);
  });

  test("is refused by a worker that does not sequence until the one that does says otherwise", async () => {
    const seat = { isLeader: false, refusal: undefined as string | null | undefined, collect: () => Promise.reject() };
    const worker = await open(store.config, { log: createLogger("silent"), via: "http", seat });
    expect(worker.auditLog.refusal()).toMatch(REASON);
    seat.refusal = null;
    expect(worker.auditLog.refusal()).toBeUndefined();
    seat.refusal = "another reason";
    expect(worker.auditLog.refusal()).toBe("another reason");
    await worker.close();
  });

  test("takes changes where DEADLETTER_REFUSED_WRITES says so, and is refused all the same", async () => {
    const other = await startServer(store, { DEADLETTER_REFUSED_WRITES: "allow" });
    const made = await other.call("POST", "/urls", { original_url: "https://a.b/" }, { key });
    expect(made.status).toBe(201);
    expect((await other.call("GET", "/readyz")).json.status).toBe("degraded");
    await other.close();
  });
});
