// Faults of the database and of the way to it.

import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { type Pair, startPair } from "../support/debian-postgres.ts";
import { until } from "../support/harness.ts";
import { type Cluster, freePort, startCluster } from "../support/postgres.ts";
import { runDeadletter, startServe } from "../support/process.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import type { Fault, Scrapes } from "./fault.ts";
import { type Scene, withScene } from "./scene.ts";

const NOTHING = "nothing acknowledged";
const OUTAGE_CLIENT =
  "links that are known redirect from memory for `DEADLETTER_CACHE_OUTAGE`; keys that were good go on reading; `/readyz` 200 `degraded`, `/health` 503; all else 503 `unavailable` with `Retry-After`";

export const DATABASE_FAULTS: readonly Fault[] = [
  {
    name: "The database is stopped",
    store: "PostgreSQL",
    client: OUTAGE_CLIENT,
    metric: "`deadletter_outage_mode` 1, `deadletter_database_up` 0",
    alerts: ["DeadletterOutage", "DeadletterLogUnknown", "DeadletterProbe"],
    recovery: "by itself once it is back",
    lost: NOTHING,
    run: () => withCluster((cluster) => outage(cluster, cluster.kill, cluster.start)),
  },
  {
    name: "The database is frozen: connections stay open, nothing answers",
    store: "PostgreSQL",
    client: OUTAGE_CLIENT,
    metric: "`deadletter_outage_mode` 1, `deadletter_database_up` 0",
    alerts: ["DeadletterOutage", "DeadletterLogUnknown"],
    recovery: "by itself once it goes on",
    lost: NOTHING,
    run: () => withCluster((cluster) => outage(cluster, cluster.freeze, cluster.thaw)),
  },
  {
    name: "The database is down and no link is known",
    store: "PostgreSQL",
    client: "redirects 503; `/readyz` 503, so that a load balancer takes the replica out",
    metric: "`deadletter_database_up` 0, `deadletter_outage_mode` 0",
    alerts: ["DeadletterDatabaseDown"],
    recovery: "by itself once it is back",
    lost: NOTHING,
    run: () =>
      withCluster((cluster) =>
        withScene({ url: cluster.url, environment: { DEADLETTER_CACHE_OUTAGE: "0" } }, async (scene) => {
          const before = await scene.scrape();
          await cluster.kill();
          await until("it is noticed", async () => (await scene.metric("deadletter_database_up")) === 0);
          // It had heard of everything until a moment ago.
          await until("its links redirect no more", async () => (await scene.follow("known")) === 503);
          expect(await scene.status("GET", "/readyz")).toBe(503);
          const during = await scene.scrape();
          await cluster.start();
          await scene.isWhole();
          return { before, during };
        }),
      ),
  },
  {
    name: "Every answer of the database takes 200 ms longer",
    store: "PostgreSQL",
    client: "redirects of known links as ever; changes and reads take as much longer; calls wait for a connection",
    metric: '`deadletter_database_wait_seconds`, `deadletter_database_calls{state="waiting"}`',
    alerts: ["DeadletterDatabaseSaturated"],
    recovery: "by itself; raise `DEADLETTER_POOL_SIZE` if it stays",
    lost: NOTHING,
    run: () =>
      withProxiedCluster({ DEADLETTER_POOL_SIZE: "2" }, async (scene, proxy) => {
        const before = await scene.scrape();
        proxy.delay(200);
        let isOver = false;
        const load = Array.from({ length: 16 }, async () => {
          while (!isOver) expect(await scene.status("GET", "/users")).toBeOneOf([200, 503]);
        });
        await until(
          "calls wait",
          async () => ((await scene.metric('deadletter_database_calls{state="waiting"}')) ?? 0) > 0,
        );
        expect(await scene.follow("known")).toBe(302);
        const during = await scene.scrape();
        isOver = true;
        await Promise.all(load);
        expect(await scene.create("slow")).toBe(201);
        proxy.delay(0);
        await scene.isWhole();
        return { before, during };
      }),
  },
  {
    name: "Connections to the database are reset",
    store: "PostgreSQL",
    client:
      "changes under way 503, those caught in their COMMIT saying that the outcome is unknown; the next ones work",
    metric: '`deadletter_http_requests_total{status="503"}`',
    alerts: [],
    recovery: "by itself, at once",
    lost: NOTHING,
    run: () =>
      withProxiedCluster({}, async (scene, proxy) => {
        const before = await scene.scrape();
        let acknowledged = 0;
        let isOver = false;
        const seen = new Set<number>();
        const load = Array.from({ length: 8 }, async () => {
          while (!isOver) {
            const status = await scene.create();
            seen.add(status);
            if (status === 201) acknowledged += 1;
          }
        });
        for (let round = 0; round < 5; round++) {
          await Bun.sleep(200);
          proxy.reset();
        }
        await Bun.sleep(200);
        isOver = true;
        await Promise.all(load);
        expect([...seen].filter((status) => status !== 201 && status !== 503)).toEqual([]);
        await scene.isWhole();
        // Those whose outcome was unknown may be there as well.
        expect(await scene.metric('deadletter_links{state="active"}')).toBeGreaterThanOrEqual(acknowledged);
        return { before, during: await scene.scrape() };
      }),
  },
  {
    name: "PgBouncer is restarted",
    store: "PostgreSQL",
    client: "changes of that moment 503; known links redirect",
    metric: "`deadletter_outage_mode`, while it is away",
    alerts: [],
    recovery: "by itself",
    lost: NOTHING,
    needs: "pgbouncer",
    run: () => withCluster(restartPgBouncer),
  },
  {
    name: "The primary is lost; its synchronous standby is promoted",
    store: "PostgreSQL",
    client: "as while the database is stopped, until the standby is promoted; then everything works",
    metric: "`deadletter_outage_mode` 1 until it is promoted",
    alerts: ["DeadletterOutage"],
    recovery: "promote the standby; `DATABASE_URL` names both hosts and `target_session_attrs=read-write`",
    lost: NOTHING,
    needs: "postgresql-15",
    run: () => failOver(true),
  },
  {
    name: "The primary is lost; an asynchronous standby that lags is promoted",
    store: "PostgreSQL",
    client: "changes 503 until the loss is accepted; redirects are asked of the database, `/readyz` 200 `degraded`",
    metric: "`deadletter_log_refused` 1; before it `deadletter_database_replication_lag_bytes`",
    alerts: ["DeadletterLogRefused", "DeadletterStandbyLost"],
    recovery: "`deadletter log accept-rollback --dry-run --reason ...` names what is lost; accept it",
    lost: "what the standby lacked, named by the log",
    needs: "postgresql-15",
    run: () => failOver(false),
  },
  {
    name: "The database in use only copies another one",
    store: "PostgreSQL",
    client: "changes 503; redirects and reads go on",
    metric: "`deadletter_database_is_replica` 1",
    alerts: ["DeadletterDatabaseReadOnly"],
    recovery: "finish the failover, or point `DATABASE_URL` at the primary",
    lost: NOTHING,
    needs: "postgresql-15",
    run: serveFromStandby,
  },
  {
    name: "A standby falls behind",
    store: "PostgreSQL",
    client: "nothing",
    metric: "`deadletter_database_replication_lag_seconds`, `deadletter_database_replication_lag_bytes`",
    alerts: ["DeadletterReplicationLag"],
    thresholds: { "replication-lag": "0.2" },
    recovery: "by itself once its cause is gone; until then a failover to it loses what it lacks",
    lost: NOTHING,
    needs: "postgresql-15",
    run: fallBehind,
  },
];

async function withCluster(run: (cluster: Cluster) => Promise<Scrapes>): Promise<Scrapes> {
  const cluster = await startCluster();
  try {
    return await run(cluster);
  } finally {
    await cluster.remove();
  }
}

function withProxiedCluster(
  environment: Record<string, string>,
  run: (scene: Scene, proxy: Awaited<ReturnType<typeof startTcpProxy>>) => Promise<Scrapes>,
): Promise<Scrapes> {
  return withCluster(async (cluster) => {
    const url = new URL(cluster.url);
    const proxy = await startTcpProxy(Number(url.port));
    url.port = String(proxy.port);
    try {
      return await withScene({ url: url.href, environment }, (scene) => run(scene, proxy));
    } finally {
      proxy.close();
    }
  });
}

async function outage(cluster: Cluster, begin: () => unknown, end: () => unknown): Promise<Scrapes> {
  return withScene({ url: cluster.url }, async (scene) => {
    const before = `${await scene.scrape()}${await scene.probe(0)}`;
    await begin();
    await until("it is noticed", async () => (await scene.metric("deadletter_outage_mode")) === 1);
    expect([await scene.follow("known"), await scene.create()]).toEqual([302, 503]);
    expect([await scene.status("GET", "/readyz"), await scene.status("GET", "/health")]).toEqual([200, 503]);
    expect(await scene.status("GET", "/stats")).toBe(200);
    const during = `${await scene.scrape()}${await scene.probe(1)}`;
    await end();
    await scene.isWhole();
    return { before, during };
  });
}

async function restartPgBouncer(cluster: Cluster): Promise<Scrapes> {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-pgbouncer-"));
  const { port, username, password } = new URL(cluster.url);
  const own = await freePort();
  writeFileSync(join(folder, "users.txt"), `"${username}" "${password}"\n`);
  const settings = `[databases]
postgres = host=127.0.0.1 port=${port} dbname=postgres user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = plain
auth_file = ${folder}/users.txt
pool_mode = transaction
default_pool_size = 10
ignore_startup_parameters = extra_float_digits
`;
  writeFileSync(join(folder, "pgbouncer.ini"), settings);
  Bun.spawnSync(["chmod", "-R", "a+rX", folder]);
  const asOwner = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const start = () =>
    Bun.spawn(["pgbouncer", ...asOwner, join(folder, "pgbouncer.ini")], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
  let bouncer = start();
  const url = `postgres://${username}:${password}@127.0.0.1:${own}/postgres`;
  try {
    await until("it answers", async () => {
      const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 1 });
      return sql`select 1`.then(
        () => sql.end().then(() => true),
        () => sql.end().then(() => false),
      );
    });
    return await withScene({ url, environment: { DEADLETTER_PGBOUNCER: "true" } }, async (scene) => {
      const before = await scene.scrape();
      bouncer.kill();
      await bouncer.exited;
      await until("it is noticed", async () => (await scene.metric("deadletter_outage_mode")) === 1);
      expect([await scene.follow("known"), await scene.create()]).toEqual([302, 503]);
      const during = await scene.scrape();
      bouncer = start();
      await scene.isWhole();
      return { before, during };
    });
  } finally {
    bouncer.kill();
    await bouncer.exited;
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withPair(
  options: Parameters<typeof startPair>[0],
  run: (pair: Pair) => Promise<Scrapes>,
): Promise<Scrapes> {
  const pair = await startPair(options);
  try {
    return await run(pair);
  } finally {
    await pair.remove();
  }
}

function seesStandby(scene: Scene): Promise<void> {
  const isSeen = async () => (await scene.metric("deadletter_database_standbys")) === 1;
  return until("the standby is seen", isSeen, 20_000);
}

function failOver(isSynchronous: boolean): Promise<Scrapes> {
  return withPair({ isSynchronous }, (pair) => {
    return withScene({ url: pair.url }, async (scene) => {
      await seesStandby(scene);
      const before = await scene.scrape();
      if (!isSynchronous) pair.stopReplication();
      const acknowledged: string[] = [];
      for (let at = 0; at < 30; at++) if ((await scene.create(`kept-${at}`)) === 201) acknowledged.push(`kept-${at}`);
      expect(acknowledged.length).toBe(30);
      // A process writes down what it has seen of the log each second.
      await Bun.sleep(1_500);
      pair.killPrimary();
      await until("it is noticed", async () => (await scene.metric("deadletter_outage_mode")) === 1, 20_000);
      expect([await scene.follow("known"), await scene.create()]).toEqual([302, 503]);
      const waiting = await scene.scrape();
      await pair.promoteStandby();
      if (isSynchronous) {
        await scene.isWhole();
        for (const code of acknowledged) expect(await scene.status("GET", `/urls/${code}`)).toBe(200);
        return { before, during: waiting };
      }
      await until("the log is refused", async () => (await scene.metric("deadletter_log_refused")) === 1, 30_000);
      await until("changes are refused", async () => (await scene.create()) === 503, 20_000);
      const during = await scene.scrape();
      expect((await runDeadletter(["verify", "--quiet"], scene.environment)).exitCode).toBe(6);
      const accept = ["log", "accept-rollback", "--reason", "standby promoted"];
      const dry = await runDeadletter([...accept, "--dry-run"], scene.environment);
      expect(dry.stdout).toMatch(/at least \d+ of them lost/);
      expect((await runDeadletter(accept, scene.environment)).exitCode).toBe(0);
      await until("changes are taken again", async () => (await scene.create()) === 201, 30_000);
      return { before, during };
    });
  });
}

/** The session attributes that would refuse the standby are left out, as they are where somebody forgot them. */
function serveFromStandby(): Promise<Scrapes> {
  return withPair({}, (pair) => {
    return withScene({ url: pair.primaryUrl }, async (onPrimary) => {
      const before = await onPrimary.scrape();
      await until(
        "the standby has it all",
        async () => (await onPrimary.metric("deadletter_database_replication_lag_bytes")) === 0,
        20_000,
      );
      const environment = { ...onPrimary.environment, DATABASE_URL: pair.standbyUrl, DEADLETTER_MIGRATE: "false" };
      const watch = `127.0.0.1:${await freePort()}`;
      const served = await startServe({ ...environment, DEADLETTER_METRICS_LISTEN: watch });
      try {
        const headers = { authorization: `Bearer ${onPrimary.key}`, "content-type": "application/json" };
        const body = JSON.stringify({ original_url: "https://example.com/" });
        expect((await fetch(`${served.url}/known`, { redirect: "manual" })).status).toBe(302);
        expect((await fetch(`${served.url}/urls`, { headers })).status).toBe(200);
        expect((await fetch(`${served.url}/urls`, { method: "POST", headers, body })).status).toBe(503);
        const during = await (await fetch(`http://${watch}/metrics`)).text();
        expect(during).toContain("\ndeadletter_database_is_replica 1\n");
        return { before, during };
      } finally {
        served.child.kill("SIGKILL");
        await served.child.exited;
      }
    });
  });
}

function fallBehind(): Promise<Scrapes> {
  return withPair({}, (pair) => {
    return withScene({ url: pair.url }, async (scene) => {
      await seesStandby(scene);
      const before = await scene.scrape();
      pair.pauseReplay();
      const isBehind = async () =>
        (await scene.create()) === 201 &&
        ((await scene.metric("deadletter_database_replication_lag_seconds")) ?? 0) > 0.3 &&
        ((await scene.metric("deadletter_database_replication_lag_bytes")) ?? 0) > 0;
      await until("it is behind", isBehind, 30_000);
      const during = await scene.scrape();
      pair.resumeReplay();
      await until(
        "it has caught up",
        async () => (await scene.metric("deadletter_database_replication_lag_bytes")) === 0,
        20_000,
      );
      return { before, during };
    });
  });
}
