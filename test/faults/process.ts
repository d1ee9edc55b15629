// Faults of the process itself, of its start, and of its clients.

import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { connect } from "node:net";
import postgres from "postgres";
import { createLogKey, encodeLogKey } from "../../src/audit/log-key.ts";
import { until } from "../support/harness.ts";
import { createDatabase } from "../support/postgres.ts";
import { childrenOf, runDeadletter } from "../support/process.ts";
import { startReceiver } from "../support/receiver.ts";
import type { Fault, Scrapes } from "./fault.ts";
import { type Scene, withScene } from "./scene.ts";

const NOTHING = "nothing acknowledged";
const START_FAILS = "nothing answers: the start fails with one line that says why, and what to do";

export const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: "SIGTERM",
    store: "either",
    client: "`/readyz` 503 for the grace, open requests are answered, then nothing",
    metric: "`up` 0",
    alerts: ["DeadletterDown"],
    recovery: "start again",
    lost: "nothing",
    run: () =>
      withScene({}, async (scene) => {
        const before = await scene.scrape();
        expect(await scene.follow("known")).toBe(302);
        expect(await scene.end()).toBe(0);
        const during = await scene.scrape();
        await scene.startAgain();
        await scene.isWhole();
        await until("the click was kept", async () => (await clicksOf(scene)) >= 2);
        return { before, during };
      }),
  },
  {
    name: "SIGKILL, a power cut",
    store: "either",
    client: "open requests are cut",
    metric: "`up` 0",
    alerts: ["DeadletterDown"],
    recovery: "start again",
    lost: `clicks of the last 250 ms; ${NOTHING}`,
    run: killUnderLoad,
  },
  {
    name: "Workers are killed",
    store: "PostgreSQL",
    client: "open requests of that worker are cut; the others answer",
    metric: "`deadletter_worker_restarts_total`",
    alerts: ["DeadletterWorkerRestarts"],
    recovery: "by itself",
    lost: `clicks of the last 250 ms; ${NOTHING}`,
    run: killWorkers,
  },
  {
    name: "The log key is missing",
    store: "either",
    client: START_FAILS,
    metric: "`up` 0",
    alerts: ["DeadletterDown"],
    recovery: "restore the key from its copy",
    lost: NOTHING,
    run: () => failToStart((environment) => ({ ...environment, DEADLETTER_LOG_KEY: undefined })),
  },
  {
    name: "The log key is another one",
    store: "either",
    client: START_FAILS,
    metric: "`up` 0",
    alerts: ["DeadletterDown"],
    recovery: "restore the key from its copy",
    lost: NOTHING,
    run: () => {
      const other = encodeLogKey(createLogKey("other.example/log", new Uint8Array(32).fill(3)));
      return failToStart((environment) => ({ ...environment, DEADLETTER_LOG_KEY: other }));
    },
  },
  {
    name: "The schema is newer than the program",
    store: "either",
    client: START_FAILS,
    metric: "`up` 0",
    alerts: ["DeadletterDown"],
    recovery: "run the release that migrated it",
    lost: NOTHING,
    run: () =>
      failToStart((environment) => environment, {
        sql: "insert into schema_migrations (version, name, checksum, applied_at_ms) values (99, 'next', 'x', 1)",
        undo: "delete from schema_migrations where version = 99",
      }),
  },
  {
    name: "The schema is older than the program",
    store: "PostgreSQL",
    client: "the start fails unless `--migrate` is given; a process that serves already goes on",
    metric: "`deadletter_schema_pending`",
    alerts: ["DeadletterSchemaPending"],
    recovery: "`deadletter migrate`",
    lost: NOTHING,
    run: losePendingMigration,
  },
  {
    name: "The port is taken",
    store: "either",
    client: START_FAILS,
    metric: "`up` 0",
    alerts: ["DeadletterDown"],
    recovery: "choose another port, or stop who has it",
    lost: NOTHING,
    run: takePort,
  },
  {
    name: "Clients that send half a request and wait",
    store: "either",
    client: "they are cut after 10 s; all others are answered",
    metric: "-",
    alerts: [],
    recovery: "by itself",
    lost: NOTHING,
    run: keepHalfOpen,
  },
  {
    name: "A flood of bad keys",
    store: "either",
    client: "its sender 429 with `Retry-After`; good keys work, from the same address too",
    metric: '`deadletter_rate_limited_total{limit="bad-keys"}`',
    alerts: ["DeadletterBadKeys"],
    thresholds: { "bad-keys": "1" },
    isOngoing: true,
    recovery: "refuse the sender in front of the server",
    lost: NOTHING,
    run: floodWithKeys,
  },
  {
    name: "The alert webhook does not answer",
    store: "either",
    client: "nothing",
    metric: '`deadletter_alerts_total{result="failed"}`, `deadletter_consumer_lag_entries{consumer="alerts"}`',
    alerts: ["DeadletterConsumerLag"],
    thresholds: { "consumer-lag": "0" },
    recovery: "by itself once it answers; a message is tried 8 times",
    lost: "messages that were given up, counted",
    run: loseWebhook,
  },
];

async function clicksOf(scene: Scene): Promise<number> {
  return ((await (await scene.call("GET", "/urls/known")).json()) as { clicks: number }).clicks;
}

async function killUnderLoad(): Promise<Scrapes> {
  return withScene({}, async (scene) => {
    const before = await scene.scrape();
    const acknowledged: string[] = [];
    let isOver = false;
    const load = Array.from({ length: 8 }, async (_, client) => {
      for (let at = 0; !isOver; at++)
        if ((await scene.create(`load-${client}-${at}`)) === 201) acknowledged.push(`load-${client}-${at}`);
    });
    await until("changes are made", () => acknowledged.length > 100);
    await scene.end("SIGKILL");
    isOver = true;
    await Promise.all(load);
    const during = await scene.scrape();
    await scene.startAgain();
    await scene.isWhole();
    for (const code of acknowledged) expect([code, await scene.follow(code)]).toEqual([code, 302]);
    return { before, during };
  });
}

async function killWorkers(): Promise<Scrapes> {
  return withScene({ url: await createDatabase(), words: ["--workers", "2"] }, async (scene) => {
    const before = await scene.scrape();
    for (let round = 0; round < 3; round++) {
      const [, second] = childrenOf(scene.served.child.pid);
      if (second !== undefined) process.kill(second, "SIGKILL");
      await until(
        "it is started again",
        async () => ((await scene.metric("deadletter_worker_restarts_total")) ?? 0) > round,
        20_000,
      );
      await until("both answer", async () => (await scene.metric("deadletter_workers")) === 2, 20_000);
      await until("a link redirects", async () => (await scene.follow("known")) === 302);
    }
    const during = await scene.scrape();
    await scene.isWhole();
    return { before, during };
  });
}

/** Ends it, spoils it, and starts it again in vain; then as it was. */
async function failToStart(
  spoil: (environment: Record<string, string>) => Record<string, string | undefined>,
  change?: { readonly sql: string; readonly undo: string },
): Promise<Scrapes> {
  return withScene({}, async (scene) => {
    const before = await scene.scrape();
    await scene.end();
    const run = (sql: string) => {
      const database = new Database(`${scene.dataDir}/deadletter.db`);
      database.run(sql);
      database.close();
    };
    if (change) run(change.sql);
    const spoiled = Object.entries(spoil(scene.environment)).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    );
    const start = await runDeadletter(["serve"], Object.fromEntries(spoiled) as Record<string, string>);
    expect(start.exitCode).not.toBe(0);
    // The message, and a line that says what to do.
    expect(start.stderr).toMatch(/^deadletter: .+\n(?: {2}.+\n)?$/);
    const during = await scene.scrape();
    if (change) run(change.undo);
    await scene.startAgain();
    await scene.isWhole();
    return { before, during };
  });
}

async function losePendingMigration(): Promise<Scrapes> {
  const url = await createDatabase();
  return withScene({ url }, async (scene) => {
    const before = await scene.scrape();
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    const [last] =
      await sql`delete from schema_migrations where version = (select max(version) from schema_migrations) returning *`;
    await until("it is noticed", async () => (await scene.metric("deadletter_schema_pending")) === 1);
    expect([await scene.follow("known"), await scene.status("GET", "/readyz")]).toEqual([302, 200]);
    const start = await runDeadletter(["serve"], {
      ...scene.environment,
      DEADLETTER_MIGRATE: "false",
      DEADLETTER_METRICS_LISTEN: "127.0.0.1:0",
    });
    expect([start.exitCode, start.stderr]).toEqual([7, expect.stringContaining("deadletter migrate")]);
    const during = await scene.scrape();
    await sql`insert into schema_migrations ${sql(last ?? {})}`;
    await sql.end();
    await scene.isWhole();
    return { before, during };
  });
}

async function takePort(): Promise<Scrapes> {
  return withScene({}, async (scene) => {
    const before = await scene.scrape();
    await scene.end();
    const other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("another") });
    const start = await runDeadletter(["serve", "--port", String(other.port)], scene.environment);
    expect([start.exitCode, start.stderr]).toEqual([
      2,
      expect.stringContaining(`cannot listen on 127.0.0.1:${other.port}`),
    ]);
    const during = await scene.scrape();
    await other.stop(true);
    await scene.startAgain();
    await scene.isWhole();
    return { before, during };
  });
}

async function keepHalfOpen(): Promise<Scrapes> {
  return withScene({}, async (scene) => {
    const before = await scene.scrape();
    const port = Number(new URL(scene.served.url).port);
    const closed = Array.from(
      { length: 100 },
      () =>
        new Promise<void>((resolve) => {
          const socket = connect(port, "127.0.0.1", () =>
            socket.write(
              `POST /urls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${scene.key}\r\nContent-Length: 100\r\n\r\n{`,
            ),
          );
          socket.resume();
          socket.on("close", () => resolve());
          socket.on("error", () => resolve());
        }),
    );
    await Bun.sleep(300);
    expect([await scene.follow("known"), await scene.create()]).toEqual([302, 201]);
    const during = await scene.scrape();
    await Promise.race([
      Promise.all(closed),
      Bun.sleep(30_000).then(() => Promise.reject(new Error("they are still open"))),
    ]);
    await scene.isWhole();
    return { before, during };
  });
}

async function floodWithKeys(): Promise<Scrapes> {
  return withScene({}, async (scene) => {
    const before = await scene.scrape();
    const statuses = await Promise.all(
      Array.from({ length: 300 }, async (_, at) => {
        const headers = { authorization: `Bearer dl_${String(at).padStart(43, "x")}` };
        return (await fetch(`${scene.served.url}/urls`, { headers })).status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    expect([await scene.create(), await scene.follow("known")]).toEqual([201, 302]);
    const during = await scene.scrape();
    await scene.isWhole();
    return { before, during };
  });
}

async function loseWebhook(): Promise<Scrapes> {
  const receiver = startReceiver();
  try {
    return await withScene({ environment: { DEADLETTER_ALERT_WEBHOOK: receiver.url } }, async (scene) => {
      const lag = () => scene.metric('deadletter_consumer_lag_entries{consumer="alerts"}');
      await until("it listens", async () => (await lag()) === 0);
      const before = await scene.scrape();
      receiver.answerWith(...Array.from({ length: 3 }, () => 500));
      const user = (await (
        await scene.call("POST", "/users", { username: "gone", email: "gone@example.com" })
      ).json()) as { id: number };
      expect(await scene.status("POST", `/users/${user.id}/erase`, {})).toBe(200);
      await until("it is tried", () => receiver.received.length > 0);
      for (let at = 0; at < 600; at += 50) await Promise.all(Array.from({ length: 50 }, () => scene.create()));
      const during = await scene.scrape();
      await until("it is told", () => receiver.received.length === 4, 30_000);
      await until("it has caught up", async () => (await lag()) === 0, 20_000);
      await scene.isWhole();
      return { before, during };
    });
  } finally {
    await receiver.close();
  }
}
