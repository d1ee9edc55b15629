// Faults of the audit log: somebody writes to the database past deadletter, or nothing sequences.

import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { join } from "node:path";
import postgres from "postgres";
import { until } from "../support/harness.ts";
import { createDatabase } from "../support/postgres.ts";
import { runDeadletter } from "../support/process.ts";
import type { Fault, Scrapes } from "./fault.ts";
import { type Scene, withScene } from "./scene.ts";

export const LOG_FAULTS: readonly Fault[] = [
  {
    name: "An event is forged in the database",
    store: "either",
    client: "nothing; the event is never in the signed log",
    metric: '`deadletter_log_quarantined_events`, `deadletter_log_alarms_total{kind="quarantined"}`',
    alerts: ["DeadletterLogQuarantine", "DeadletterLogAlarm"],
    recovery: "`deadletter log status` names it; find out who can write to the database",
    lost: "nothing",
    run: forgeEvent,
  },
  {
    name: "A row is changed in the database past deadletter",
    store: "either",
    client: "what the row says",
    metric: "`deadletter_verify_success` 0, after `deadletter verify`",
    alerts: ["DeadletterVerifyFailed"],
    recovery: "`deadletter verify` names it; the log has what is true",
    lost: "nothing of the log",
    run: changeRow,
  },
  {
    name: "Nothing sequences the log",
    store: "PostgreSQL",
    client: "changes and redirects work; redirects are asked of the database; proofs of new events 404 until later",
    metric: '`deadletter_log_oldest_pending_seconds`, `deadletter_redirect_lookups_total{result="recheck"}`',
    alerts: ["DeadletterLogPending"],
    thresholds: { "pending-seconds": "0.2" },
    recovery: "by itself once its cause is gone",
    lost: "nothing",
    run: holdSequencer,
  },
];

function tamper(scene: Scene, ...statements: string[]): void {
  const database = new Database(join(scene.dataDir, "deadletter.db"));
  for (const statement of statements) database.run(statement);
  database.close();
}

async function forgeEvent(): Promise<Scrapes> {
  return withScene({}, async (scene) => {
    const before = await scene.scrape();
    // As the newest one, under the next version, with a tag that nobody without the key can make.
    tamper(
      scene,
      `insert into events (subject_type, subject_id, version, op, at_ms, leaf, leaf_hash, tag, actor, state, user_id)
       select subject_type, subject_id, version + 1, 'updated', at_ms, leaf, randomblob(32), randomblob(32), actor, state, user_id
       from events where subject_type = 'url' order by id desc limit 1`,
      "insert into log_queue (event_id, generation) select max(id), (select max(generation) from store_generation) from events",
    );
    await until(
      "it is in quarantine",
      async () => (await scene.metric("deadletter_log_quarantined_events")) === 1,
      20_000,
    );
    expect([await scene.create(), await scene.follow("known")]).toEqual([201, 302]);
    const during = await scene.scrape();
    const status = await runDeadletter(["log", "status"], scene.environment);
    expect(status.stdout).toContain("quarantine 1 events");
    return { before, during };
  });
}

async function changeRow(): Promise<Scrapes> {
  return withScene({}, async (scene) => {
    expect((await runDeadletter(["verify", "--quiet"], scene.environment)).exitCode).toBe(0);
    const before = await scene.scrape();
    // Its version and head are left, so that the guards must be taken off first: a superuser can.
    tamper(
      scene,
      ...triggersOf(scene).map((name) => `drop trigger ${name}`),
      "update urls set original_url = 'https://attacker.example/' where short_code = 'known'",
    );
    expect((await runDeadletter(["verify", "--quiet"], scene.environment)).exitCode).toBe(6);
    return { before, during: await scene.scrape() };
  });
}

function triggersOf(scene: Scene): string[] {
  const database = new Database(join(scene.dataDir, "deadletter.db"));
  const rows = database
    .query<{ name: string }, []>("select name from sqlite_master where type = 'trigger' and tbl_name = 'urls'")
    .all();
  database.close();
  return rows.map(({ name }) => name);
}

async function holdSequencer(): Promise<Scrapes> {
  const url = await createDatabase();
  return withScene({ url }, async (scene) => {
    const before = await scene.scrape();
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    const release = Promise.withResolvers<void>();
    const held = sql.begin(async (tx) => {
      await tx`select 1 from log_head for update`;
      await release.promise;
    });
    await Bun.sleep(200);
    expect(await scene.create("pending")).toBe(201);
    const isLate = async () => ((await scene.metric("deadletter_log_oldest_pending_seconds")) ?? 0) > 2;
    await until("it waits", isLate, 20_000);
    expect([await scene.follow("pending"), await scene.follow("known"), await scene.create()]).toEqual([302, 302, 201]);
    const during = await scene.scrape();
    release.resolve();
    await held;
    await sql.end();
    await scene.isWhole();
    return { before, during };
  });
}
