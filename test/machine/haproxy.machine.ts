// Two replicas behind HAProxy, with checks every second: a database that is frozen, and one that is gone, fail no redirect.
// FREEZE_S sets how long each lasts (60 for the record); what was measured is printed.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newEnvironment, until } from "../support/harness.ts";
import { type Cluster, freePort, startCluster } from "../support/postgres.ts";
import { createAdmin, type Served, startServe } from "../support/process.ts";

const FREEZE_S = Number(process.env.FREEZE_S ?? 10);
const LINKS = 500;
const HAPROXY = Bun.which("haproxy", { PATH: `${process.env.PATH}:/usr/sbin` });

describe.skipIf(HAPROXY === null)("two replicas behind HAProxy", () => {
  let cluster: Cluster;
  let replicas: Served[];
  let watchUrls: string[];
  let key: string;
  let proxy: Bun.Subprocess;
  let proxyUrl: string;
  const environments: Record<string, string>[] = [newEnvironment("to-be-set"), newEnvironment("to-be-set")];
  const work = mkdtempSync(join(tmpdir(), "deadletter-haproxy-"));

  beforeAll(async () => {
    cluster = await startCluster();
    watchUrls = [];
    replicas = [];
    for (const environment of environments) {
      const port = await freePort();
      watchUrls.push(`http://127.0.0.1:${port}`);
      Object.assign(environment, {
        DATABASE_URL: cluster.url,
        LOG_LEVEL: "warn",
        DEADLETTER_METRICS_LISTEN: `127.0.0.1:${port}`,
        DEADLETTER_TRUSTED_PROXIES: "127.0.0.1",
      });
      replicas.push(await startServe(environment));
    }
    key = await createAdmin(environments[0] ?? {});
    const port = await freePort();
    proxyUrl = `http://127.0.0.1:${port}`;
    const servers = replicas.map(({ url }, index) => `  server r${index} ${new URL(url).host} check`);
    const config = join(work, "haproxy.cfg");
    writeFileSync(
      config,
      `defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  timeout check 1s
  option httpchk GET /readyz
  http-check expect status 200
  default-server inter 1s fall 2 rise 2
frontend public
  bind 127.0.0.1:${port}
  option forwardfor
  default_backend replicas
backend replicas
  balance roundrobin
${servers.join("\n")}
`,
    );
    proxy = Bun.spawn([HAPROXY ?? "", "-f", config, "-db"], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    await until(
      "the proxy answers",
      async () => (await fetch(`${proxyUrl}/livez`).catch(() => undefined))?.ok === true,
    );
    for (let link = 0; link < LINKS; link += 20)
      await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          fetch(`${replicas[0]?.url}/urls`, {
            method: "POST",
            headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
            body: JSON.stringify({ original_url: `https://example.com/${link + at}`, short_code: `warm-${link + at}` }),
          }),
        ),
      );
    for (const { url } of replicas)
      for (let link = 0; link < LINKS; link++) await fetch(`${url}/warm-${link}`, { redirect: "manual" });
  }, 120_000);

  afterAll(async () => {
    proxy?.kill();
    await cluster.remove();
    for (const { child } of replicas) child.kill("SIGKILL");
    for (const { DEADLETTER_DATA_DIR: path = "" } of environments) rmSync(path, { recursive: true, force: true });
    rmSync(work, { recursive: true, force: true });
  });

  /** Redirects through the proxy, and scrapes of both replicas, until `isOver`. */
  async function load(isOver: () => boolean) {
    const latencies: number[] = [];
    const failed: string[] = [];
    const scrapes: { ms: number; isUp: boolean }[] = [];
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (let step = client; !isOver(); step += 8) {
        const link = step % LINKS;
        const startedMs = performance.now();
        const answer = await fetch(`${proxyUrl}/warm-${link}`, { redirect: "manual" }).catch(String);
        latencies.push(performance.now() - startedMs);
        const location = typeof answer === "string" ? answer : `${answer.status} ${answer.headers.get("location")}`;
        if (location !== `302 https://example.com/${link}`) failed.push(location);
        await Bun.sleep(2);
      }
    });
    const scraper = (async () => {
      while (!isOver()) {
        for (const address of [...watchUrls, ...replicas.map(({ url }) => url)]) {
          const startedMs = performance.now();
          const answer = await fetch(`${address}/metrics`, { headers: { authorization: `Bearer ${key}` } });
          const text = await answer.text();
          expect(answer.status).toBe(200);
          scrapes.push({ ms: performance.now() - startedMs, isUp: text.includes("\ndeadletter_database_up 1\n") });
        }
        await Bun.sleep(250);
      }
    })();
    await Promise.all([...clients, scraper]);
    latencies.sort((a, b) => a - b);
    const p99 = latencies[Math.floor(latencies.length * 0.99)] ?? 0;
    return { count: latencies.length, failed, p99, slowestScrape: Math.max(...scrapes.map(({ ms }) => ms)), scrapes };
  }

  async function during(what: string, begin: () => unknown, end: () => unknown): Promise<void> {
    let isOver = false;
    const calm = load(() => isOver);
    await Bun.sleep(3_000);
    isOver = true;
    const before = await calm;
    expect(before.failed).toEqual([]);
    isOver = false;
    const running = load(() => isOver);
    await begin();
    await Bun.sleep(FREEZE_S * 1_000);
    await end();
    await Bun.sleep(2_000);
    isOver = true;
    const after = await running;
    console.log(
      `      ${what} for ${FREEZE_S} s: ${after.count} redirects, ${after.failed.length} failed, p99 ${after.p99.toFixed(1)} ms ` +
        `(${before.p99.toFixed(1)} before), slowest scrape ${after.slowestScrape.toFixed(0)} ms of ${after.scrapes.length}`,
    );
    expect(after.failed).toEqual([]);
    expect(after.p99).toBeLessThanOrEqual(Math.max(3 * before.p99, 20));
    expect(after.slowestScrape).toBeLessThan(1_000);
    expect(after.scrapes.filter(({ isUp }) => !isUp).length).toBeGreaterThan(FREEZE_S);
    await until("it is whole again", async () => (await fetch(`${proxyUrl}/health`)).status === 200, 20_000);
  }

  test(`a database that is frozen for ${FREEZE_S} s fails no redirect, and is seen by every scrape`, async () => {
    await during("frozen", cluster.freeze, cluster.thaw);
  }, 300_000);

  test(`a database that is stopped for ${FREEZE_S} s and started again: the same`, async () => {
    await during("stopped", cluster.kill, cluster.start);
  }, 300_000);
});
