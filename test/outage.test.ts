// PostgreSQL goes away under a serving process and comes back: clear 503s meanwhile, recovery by itself, no crash.

import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { newEnvironment, until } from "./support/harness.ts";
import { startCluster } from "./support/postgres.ts";
import { createAdmin, runDeadletter, startServe } from "./support/process.ts";

test("a database that is killed under load and started again", async () => {
  const cluster = await startCluster();
  const environment = newEnvironment(cluster.url, { DEADLETTER_DATABASE_DEADLINE_MS: "2000" });
  const served = await startServe(environment);
  expect(served.greeting).toContain("create the first with: deadletter users create --admin");
  const key = await createAdmin(environment);
  const send = async (method: string, path: string, body?: object) => {
    const answer = await fetch(served.url + path, {
      method,
      redirect: "manual",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      json: text === "" ? undefined : (JSON.parse(text) as { error?: string; status?: string; version?: number }),
    };
  };
  await send("POST", "/urls", { original_url: "https://example.com/", short_code: "steady" });

  for (let round = 0; round < 2; round++) {
    let isOver = false;
    let acknowledged = 0;
    const load = Array.from({ length: 8 }, async (_, worker) => {
      while (!isOver) {
        const { status } = await send("PATCH", "/urls/steady", { title: `${round}-${worker}-${Math.random()}` });
        expect(status).toBeOneOf([200, 503]);
        if (status === 200) acknowledged += 1;
      }
    });
    await until("the load is on", () => acknowledged > 50);
    await cluster.kill();
    await until("the outage is noticed", async () => (await send("GET", "/health")).status === 503);
    const down = await send("GET", "/unknown");
    expect([down.status, down.json?.error]).toEqual([503, "unavailable"]);
    expect(down.headers.get("retry-after")).toMatch(/^\d+$/);
    // Every change of it was put into the cache by the process that made it.
    expect((await send("GET", "/steady")).status).toBe(302);
    expect((await send("POST", "/urls", { original_url: "https://a.b/" })).status).toBe(503);
    expect(await send("GET", "/health")).toMatchObject({ status: 503, json: { status: "degraded" } });
    expect(await send("GET", "/readyz")).toMatchObject({ status: 200, json: { status: "degraded" } });
    expect((await send("GET", "/livez")).status).toBe(200);
    await cluster.start();
    await until("it recovers by itself", async () => (await send("GET", "/health")).status === 200, 20_000);
    isOver = true;
    await Promise.all(load);
    const { json } = await send("GET", "/urls/steady");
    // Every acknowledged edit is a version; one whose outcome was unknown may be one as well.
    expect(json?.version ?? 0).toBeGreaterThan(acknowledged);
  }

  const { exitCode } = await runDeadletter(["verify"], environment);
  expect(exitCode).toBe(0);
  served.child.kill("SIGTERM");
  expect(await served.child.exited).toBe(0);
  await cluster.remove();
  rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
}, 120_000);
