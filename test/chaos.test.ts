// The log under fire: processes killed at random while they write and sequence, the database restarted hard under them.
// CHAOS_KILLS sets how often; each run prints what it did.

import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../src/app/open-store.ts";
import { storedTiles } from "../src/audit/stored-tree.ts";
import { loadConfig } from "../src/config/load.ts";
import { sha256 } from "../src/runtime/sha256.ts";
import { openCheckpoint } from "../src/tlog/checkpoint.ts";
import { isSameHash } from "../src/tlog/merkle.ts";
import { rootAt } from "../src/tlog/tiles.ts";
import { createStore, newEnvironment, TEST_LOG_KEY, until } from "./support/harness.ts";
import { startCluster } from "./support/postgres.ts";
import { childrenOf, runDeadletter, type Served, startServe } from "./support/process.ts";

const KILLS = Number(process.env.CHAOS_KILLS ?? 50);
/** Fewer, since a worker that does not last waits ever longer before it is started again. */
const WORKER_KILLS = Math.ceil(KILLS / 4);
const WRITERS = 16;

interface Record {
  /** Requests by id that were answered with success, and those of which nobody knows: no answer, or 5xx. */
  readonly acknowledged: Set<string>;
  readonly unknown: Set<string>;
  /** Every distinct checkpoint that any process ever showed. */
  readonly checkpoints: Set<string>;
  kills: number;
}

interface Plan {
  readonly environment: { readonly [name: string]: string };
  readonly processes: number;
  /** Called after so many kills, once each. */
  readonly disasters: ReadonlyMap<number, () => Promise<void>>;
  readonly kills?: number;
  readonly killer?: typeof killAgainAndAgain;
}

describe("the log", () => {
  test(`on PostgreSQL outlives ${KILLS} kills of two processes under ${WRITERS} writers and two hard restarts of the server`, async () => {
    const cluster = await startCluster();
    const restart = async () => {
      await cluster.kill();
      await Bun.sleep(300);
      await cluster.start();
    };
    const environment = newEnvironment(cluster.url, { LOG_LEVEL: "error" });
    const disasters = new Map([
      [Math.floor(KILLS / 3), restart],
      [Math.floor((2 * KILLS) / 3), restart],
    ]);
    await outlive({ environment, processes: 2, disasters });
    await cluster.remove();
  }, 400_000);

  test(`on PostgreSQL outlives ${WORKER_KILLS} kills of one server's workers under ${WRITERS} writers`, async () => {
    const store = await createStore("postgres");
    const environment = { ...store.environment, LOG_LEVEL: "error" };
    await outlive({ environment, processes: 1, disasters: new Map(), kills: WORKER_KILLS, killer: killWorkers });
  }, 400_000);

  test(`on SQLite outlives ${KILLS} kills of its one process under ${WRITERS} writers`, async () => {
    await outlive({
      environment: newEnvironment(undefined, { LOG_LEVEL: "error" }),
      processes: 1,
      disasters: new Map(),
    });
  }, 400_000);
});

async function outlive(plan: Plan): Promise<void> {
  const { environment } = plan;
  const created = await runDeadletter(["users", "create", "--admin", "--json"], {
    ...environment,
    DEADLETTER_MIGRATE: "true",
  });
  // A store that nobody has migrated yet is made by its first serve.
  const first = created.exitCode === 0 ? undefined : await startServe(environment);
  first?.child.kill(9);
  await first?.child.exited;
  const key = first?.key ?? (JSON.parse(created.stdout).key.key as string);
  const record: Record = { acknowledged: new Set(), unknown: new Set(), checkpoints: new Set(), kills: 0 };
  const alive: (Served | undefined)[] = [];
  const isOver = () => record.kills >= (plan.kills ?? KILLS);

  await Promise.all([
    ...Array.from({ length: plan.processes }, (_, slot) =>
      (plan.killer ?? killAgainAndAgain)(plan, slot, alive, record),
    ),
    ...Array.from({ length: WRITERS }, (_, number) => write(number, key, alive, record, isOver)),
    watchCheckpoints(alive, record, isOver),
  ]);
  await settleAndCheck(environment, key, record);
  console.log(
    `      ${record.kills} kills, ${record.acknowledged.size} acknowledged, ${record.unknown.size} unknown, ${record.checkpoints.size} checkpoints seen`,
  );
  rmSync(environment.DEADLETTER_DATA_DIR ?? "", { recursive: true, force: true });
}

/** Starts a process, lets it work for a random while, kills it; until there were kills enough among all. */
async function killAgainAndAgain(
  plan: Plan,
  slot: number,
  alive: (Served | undefined)[],
  record: Record,
): Promise<void> {
  const dataDir =
    plan.environment.DATABASE_URL === undefined
      ? {}
      : { DEADLETTER_DATA_DIR: mkdtempSync(join(tmpdir(), "deadletter-chaos-")) };
  while (record.kills < KILLS) {
    const served = await startServe({ ...plan.environment, ...dataDir }).catch(() => undefined);
    if (!served) {
      // The database is down: a supervisor would try again, too.
      await Bun.sleep(100);
      continue;
    }
    alive[slot] = served;
    const before = record.acknowledged.size;
    await until(
      "something was written",
      () => record.acknowledged.size > before || served.child.exitCode !== null || record.kills >= KILLS,
      30_000,
    );
    await Bun.sleep(Math.random() * 400);
    alive[slot] = undefined;
    served.child.kill(9);
    await served.child.exited;
    record.kills += 1;
    await plan.disasters.get(record.kills)?.();
  }
  if (dataDir.DEADLETTER_DATA_DIR !== undefined) rmSync(dataDir.DEADLETTER_DATA_DIR, { recursive: true, force: true });
}

/** Starts one server of three workers, and kills one of them again and again, also while it is starting. */
async function killWorkers(plan: Plan, slot: number, alive: (Served | undefined)[], record: Record): Promise<void> {
  const served = await startServe(plan.environment, ["--workers", "3"]);
  const workers = () => childrenOf(served.child.pid);
  alive[slot] = served;
  while (record.kills < WORKER_KILLS) {
    const before = record.acknowledged.size;
    await until("something was written", () => record.acknowledged.size > before, 30_000);
    await Bun.sleep(Math.random() * 400);
    const victim = workers()[Math.floor(Math.random() * 3)] ?? 0;
    process.kill(victim, 9);
    await until("another is in its place", () => workers().length === 3 && !workers().includes(victim), 30_000);
    record.kills += 1;
  }
  alive[slot] = undefined;
  served.child.kill("SIGTERM");
  expect(await served.child.exited).toBe(0);
}

async function write(
  number: number,
  key: string,
  alive: readonly (Served | undefined)[],
  record: Record,
  isOver: () => boolean,
): Promise<void> {
  let link: number | undefined;
  for (let step = 0; !isOver(); step++) {
    const served = alive[(number + step) % alive.length];
    if (!served) {
      await Bun.sleep(10);
      continue;
    }
    const requestId = `w${number}-${step}`;
    const isNew = link === undefined || step % 3 === 0;
    try {
      const answer = await fetch(`${served.url}/urls${isNew ? "" : `/${link}`}`, {
        method: isNew ? "POST" : "PATCH",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "x-request-id": requestId },
        body: JSON.stringify(isNew ? { original_url: "https://example.com/" } : { title: requestId }),
        signal: AbortSignal.timeout(10_000),
      });
      if (answer.status >= 500) record.unknown.add(requestId);
      const { id } = (await answer.json()) as { id: number };
      if (answer.ok) {
        record.acknowledged.add(requestId);
        link = id;
      }
    } catch {
      if (!record.acknowledged.has(requestId)) record.unknown.add(requestId);
    }
  }
}

async function watchCheckpoints(
  alive: readonly (Served | undefined)[],
  record: Record,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    for (const served of alive) {
      const answer = served && (await fetch(`${served.url}/log/checkpoint`).catch(() => undefined));
      if (answer?.status === 200) record.checkpoints.add(await answer.text().catch(() => ""));
    }
    await Bun.sleep(20);
  }
  record.checkpoints.delete("");
}

/** Lets one process finish the work and checks that nothing was lost, doubled, forged or forked. */
async function settleAndCheck(environment: Plan["environment"], key: string, record: Record): Promise<void> {
  const last = await startServe({ ...environment });
  const status = async () => {
    const answer = await fetch(`${last.url}/log/status`, { headers: { authorization: `Bearer ${key}` } });
    return (await answer.json()) as { backlog: number; size: number; quarantined: number; refused: string | null };
  };
  await until("everything is in the log", async () => (await status()).backlog === 0, 60_000);
  const { size, quarantined, refused } = await status();
  expect([quarantined, refused]).toEqual([0, null]);
  last.child.kill("SIGTERM");
  expect(await last.child.exited).toBe(0);

  const store = await openStore(loadConfig(environment).config);
  await store.snapshot(async (sql) => {
    const events = await sql<{ actor: string }>`select actor from events where subject_type = 'url'`;
    const [all] = await sql<{ events: number; leaves: number; waiting: number }>`
      select (select count(*) from events) as events, (select count(*) from log_leaf) as leaves,
             (select count(*) from log_queue) as waiting`;
    expect([all?.events, all?.leaves, all?.waiting]).toEqual([size, size, 0]);
    const written = events.map(
      ({ actor }) => (JSON.parse(actor) as [string, string, { request_id: string }])[2].request_id,
    );
    // No event twice, every acknowledged one there, and of the others only such as nobody was told about.
    expect(new Set(written).size).toBe(written.length);
    const landed = new Set(written);
    expect([...record.acknowledged].filter((id) => !landed.has(id))).toEqual([]);
    expect(written.filter((id) => !record.acknowledged.has(id) && !record.unknown.has(id))).toEqual([]);
    const read = storedTiles(sql);
    for (const note of record.checkpoints) {
      const checkpoint = openCheckpoint(note, TEST_LOG_KEY);
      expect([checkpoint.size, isSameHash(await rootAt(sha256, read, checkpoint.size), checkpoint.root)]).toEqual([
        checkpoint.size,
        true,
      ]);
    }
  });
  await store.close();
  const kept = join(environment.DEADLETTER_DATA_DIR ?? "", "kept");
  writeFileSync(kept, [...record.checkpoints][0] ?? "");
  const { exitCode, stdout } = await runDeadletter(["verify", "--checkpoint", kept], { ...environment });
  expect([exitCode, stdout.trim().endsWith("all true")]).toEqual([0, true]);
  expect(record.acknowledged.size).toBeGreaterThan(KILLS * 5);
}
