// PostgreSQL that is frozen: nothing closes, every wait runs to its deadline. Nobody whose link or key is known waits for it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { newEnvironment, until } from "../support/harness.ts";
import { type Cluster, freePort, startCluster } from "../support/postgres.ts";
import { createAdmin, type Served, startServe } from "../support/process.ts";

interface Answer {
  readonly status: number;
  readonly ms: number;
  readonly text: string;
  readonly headers: Headers;
}

describe("a database that is frozen", () => {
  let cluster: Cluster;
  let served: Served;
  let key: string;
  let watchUrl: string;
  const environment = newEnvironment("postgres://to-be-set/");

  beforeAll(async () => {
    cluster = await startCluster();
    const watchPort = await freePort();
    watchUrl = `http://127.0.0.1:${watchPort}`;
    Object.assign(environment, { DATABASE_URL: cluster.url, DEADLETTER_METRICS_LISTEN: `127.0.0.1:${watchPort}` });
    served = await startServe(environment);
    key = await createAdmin(environment);
  });
  afterAll(async () => {
    await cluster.remove();
    served.child.kill("SIGKILL");
    await served.child.exited;
    rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
  });

  async function ask(path: string, options: { method?: string; body?: object; key?: string } = {}): Promise<Answer> {
    const { method = "GET", body } = options;
    const startedMs = performance.now();
    const response = await fetch(path.startsWith("/") ? served.url + path : path, {
      method,
      redirect: "manual",
      headers: { authorization: `Bearer ${options.key ?? key}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    return { status: response.status, ms: performance.now() - startedMs, text, headers: response.headers };
  }

  test("known links, readiness, health, metrics, totals and a key that was good answer at once throughout", async () => {
    await ask("/urls", { method: "POST", body: { original_url: "https://example.com/", short_code: "fresh" } });
    expect((await ask("/fresh")).status).toBe(302);
    expect((await ask("/stats")).status).toBe(200);
    await until("its own event was heard", async () => (await ask("/log/status")).text.includes('"backlog":0'));
    await Bun.sleep(500);
    cluster.freeze();
    const frozenMs = performance.now();
    const slowest: Record<string, number> = {};
    const seen: Record<string, Set<number>> = {};
    while (performance.now() - frozenMs < 3_500) {
      for (const path of ["/fresh", "/readyz", "/health", "/metrics", "/stats", `${watchUrl}/metrics`]) {
        const { status, ms } = await ask(path);
        slowest[path] = Math.max(slowest[path] ?? 0, ms);
        seen[path] ??= new Set();
        seen[path].add(status);
      }
    }
    expect(seen["/fresh"]).toEqual(new Set([302]));
    expect(seen["/readyz"]).toEqual(new Set([200]));
    expect(seen["/metrics"]).toEqual(new Set([200]));
    expect(seen[`${watchUrl}/metrics`]).toEqual(new Set([200]));
    expect(seen["/stats"]).toEqual(new Set([200]));
    // Never a deadline: of those that were set, the shortest is 1 s.
    expect(Math.max(...Object.values(slowest))).toBeLessThan(700);
    expect(JSON.parse((await ask("/readyz")).text)).toMatchObject({
      status: "degraded",
      checks: { database: { ok: false } },
    });
    expect((await ask("/health")).status).toBe(503);
    expect((await ask("/metrics")).text).toContain("\ndeadletter_database_up 0\n");
    // The key reads, and nothing else; one that was never seen is no key.
    expect((await ask("/whoami", { method: "DELETE" })).status).toBe(405);
    const strange = ask("/metrics", { key: `dl_${"x".repeat(43)}` });
    cluster.thaw();
    expect((await strange).status).toBe(401);
    await until("it is whole again", async () => (await ask("/health")).status === 200);
    expect(JSON.parse((await ask("/readyz")).text).status).toBe("ready");
    expect((await ask("/metrics")).text).toContain("\ndeadletter_database_up 1\n");
  }, 60_000);

  test("a key that was revoked before is not remembered, and no key changes anything", async () => {
    const { id } = JSON.parse((await ask("/whoami")).text).user as { id: number };
    const made = await ask(`/users/${id}/keys`, { method: "POST", body: { name: "short-lived", role: "admin" } });
    const other = JSON.parse(made.text) as { id: number; key: string };
    expect((await ask("/stats", { key: other.key })).status).toBe(200);
    await ask(`/users/${id}/keys/${other.id}`, { method: "DELETE" });
    expect((await ask("/stats")).status).toBe(200);
    cluster.freeze();
    try {
      await until("the outage is known", async () => (await ask("/health")).status === 503);
      expect((await ask("/stats")).status).toBe(200);
      expect((await ask("/stats", { key: other.key })).status).toBe(503);
      expect((await ask("/urls", { method: "POST", body: { original_url: "https://a.b/" } })).status).toBe(503);
    } finally {
      cluster.thaw();
    }
  }, 60_000);

  test("the metrics' own listener answers nothing else", async () => {
    await until("it is whole again", async () => (await ask("/health")).status === 200);
    expect((await fetch(`${watchUrl}/livez`)).status).toBe(200);
    expect((await fetch(`${watchUrl}/readyz`)).status).toBe(200);
    expect((await fetch(`${watchUrl}/metrics`)).headers.get("content-type")).toContain("text/plain");
    for (const path of ["/fresh", "/r/fresh", "/urls", "/stats", "/log/checkpoint", "/urls/fresh/redirect"])
      expect([path, (await fetch(watchUrl + path, { redirect: "manual" })).status]).toEqual([path, 404]);
  });
});
