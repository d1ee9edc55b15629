// Two replicas whose primary is killed while its asynchronous standby lags by three seconds: what is lost is named, accepted while
// both serve, and nothing that the new history lacks is followed once that one is known.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../src/app/open-store.ts";
import { openStatements } from "../../src/audit/checkpoint-memory.ts";
import type { Finding } from "../../src/audit/finding.ts";
import { verify } from "../../src/audit/verify.ts";
import { loadConfig } from "../../src/config/load.ts";
import { openCheckpoint } from "../../src/tlog/checkpoint.ts";
import { type Pair, startPair } from "../support/debian-postgres.ts";
import { newEnvironment, TEST_LOG_KEY, until } from "../support/harness.ts";
import { createAdmin, runDeadletter, type Served, startServe } from "../support/process.ts";

const LAG_MS = 3_000;
const LINKS = 20;
const HAS_POSTGRES = Bun.which("pg_basebackup", { PATH: "/usr/lib/postgresql/15/bin" }) !== null;

interface Seen {
  readonly link: number;
  readonly sentMs: number;
  readonly target: string | null;
  readonly status: number;
}

describe.skipIf(!HAS_POSTGRES)("two replicas whose asynchronous standby is promoted", () => {
  let pair: Pair;
  let replicas: Served[];
  let key: string;
  const environments: Record<string, string>[] = [newEnvironment("to-be-set"), newEnvironment("to-be-set")];
  const work = mkdtempSync(join(tmpdir(), "deadletter-failover-"));
  const acknowledged = new Map<string, number>();
  const seen: Seen[] = [];
  const notes = new Map<string, number>();
  let isOver = false;
  let load: Promise<void>[] = [];

  const send = (replica: number, method: string, path: string, body?: object) =>
    fetch((replicas[replica]?.url ?? "") + path, {
      method,
      redirect: "manual",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(8_000),
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  const follow = async (replica: number, link: number): Promise<Seen | undefined> => {
    const sentMs = performance.now();
    const answer = await send(replica, "GET", `/link-${link}`).catch(() => undefined);
    return answer && { link, sentMs, target: answer.headers.get("location"), status: answer.status };
  };
  const refused = async (replica: number) =>
    ((await (await send(replica, "GET", "/stats")).json()) as { log_refused: string | null }).log_refused;

  beforeAll(async () => {
    pair = await startPair();
    for (const environment of environments) Object.assign(environment, { DATABASE_URL: pair.url, LOG_LEVEL: "error" });
    replicas = [await startServe(environments[0] ?? {}), await startServe(environments[1] ?? {})];
    key = await createAdmin(environments[0] ?? {});
    for (let link = 0; link < LINKS; link++) {
      const target = `https://example.com/${link}/first`;
      expect((await send(0, "POST", "/urls", { original_url: target, short_code: `link-${link}` })).status).toBe(201);
    }
    const writer = async (number: number) => {
      for (let step = 0; !isOver; step++) {
        const target = `https://example.com/${step % LINKS}/${number}-${step}`;
        const answer = await send(step % 2, "PUT", `/urls/link-${step % LINKS}`, { original_url: target }).catch(
          () => undefined,
        );
        if (answer?.status === 200) acknowledged.set(target, performance.now());
        await Bun.sleep(20);
      }
    };
    const reader = async (number: number) => {
      for (let step = number; !isOver; step++) {
        const one = await follow(step % 2, step % LINKS);
        if (one) seen.push(one);
        await Bun.sleep(2);
      }
    };
    const observer = async () => {
      while (!isOver) {
        for (const replica of [0, 1]) {
          const answer = await send(replica, "GET", "/log/checkpoint").catch(() => undefined);
          if (answer?.ok) notes.set(await answer.text(), performance.now());
        }
        await Bun.sleep(100);
      }
    };
    load = [...[0, 1, 2, 3].map(writer), ...[0, 1, 2, 3].map(reader), observer()];
  });
  afterAll(async () => {
    isOver = true;
    await Promise.all(load);
    for (const { child } of replicas) child.kill("SIGKILL");
    await pair.remove();
    for (const { DEADLETTER_DATA_DIR = "" } of environments)
      rmSync(DEADLETTER_DATA_DIR, { recursive: true, force: true });
    rmSync(work, { recursive: true, force: true });
  });

  test("name what is lost, have it accepted while they serve, and go on with the new history", async () => {
    await until("changes are made", () => acknowledged.size > 50, 20_000);
    pair.stopReplication();
    const laggedMs = performance.now();
    await Bun.sleep(LAG_MS);
    const killedMs = performance.now();
    pair.killPrimary();
    await pair.promoteStandby();
    for (const replica of [0, 1])
      await until("both refuse the new log", async () => (await refused(replica)) != null, 30_000);
    const knownMs = performance.now();
    // Those of the last moment were not in the log yet.
    const lost = [...acknowledged].filter(([, atMs]) => atMs > laggedMs && atMs < killedMs - 500).length;
    await until(
      "redirects are answered meanwhile",
      () => seen.filter(({ sentMs }) => sentMs > knownMs).length > 100,
      20_000,
    );

    // The host that has heard the most knows the newest checkpoint that is given up.
    const remembered = environments.map(({ DEADLETTER_DATA_DIR = "" }) => join(DEADLETTER_DATA_DIR, "checkpoint"));
    const sizeOf = (path: string) => openCheckpoint(readFileSync(path, "utf8"), TEST_LOG_KEY).size;
    const sizes = () => remembered.map(sizeOf);
    const shown = Math.max(...[...notes.keys()].map((note) => openCheckpoint(note, TEST_LOG_KEY).size));
    await until("what was shown is written down", () => Math.max(...sizes()) >= shown);
    // The primary may have died after one of them heard of its last batch, and before the other did.
    const most = sizes().indexOf(Math.max(...sizes()));
    const old = readFileSync(remembered[most] ?? "", "utf8");
    writeFileSync(join(work, "old"), old);
    const accept = [
      "log",
      "accept-rollback",
      "--reason",
      "primary lost, standby promoted",
      "--checkpoint",
      join(work, "old"),
    ];
    const host = environments[most] ?? {};
    const dry = await runDeadletter([...accept, "--dry-run"], host);
    expect(dry.stdout).toMatch(/^the log of \d+ entries, at least \d+ of them lost, would be given up/);
    const done = await runDeadletter([...accept, "--json", "--out", join(work, "statement")], host);
    expect(done.exitCode).toBe(0);
    const report = JSON.parse(done.stdout) as { old_size: number; new_size: number };
    expect(report.old_size - report.new_size).toBeGreaterThanOrEqual(lost);
    expect(lost).toBeGreaterThan(10);
    for (const replica of [0, 1]) await until("both go on", async () => (await refused(replica)) === null, 20_000);
    const acceptedMs = performance.now();
    const before = acknowledged.size;
    await until("changes are made again", () => acknowledged.size > before + 50, 20_000);
    await Bun.sleep(1_500);
    isOver = true;
    await Promise.all(load);

    const history = new Set<string>();
    for (let link = 0; link < LINKS; link++) {
      const events = (await (await send(0, "GET", `/urls/link-${link}/events?per_page=500`)).json()) as {
        details: { changes: { original_url?: { to: string } } };
      }[];
      for (const { details } of events) if (details.changes.original_url) history.add(details.changes.original_url.to);
    }
    const foreign = seen.filter(({ sentMs, target }) => sentMs > knownMs && target !== null && !history.has(target));
    expect(foreign).toEqual([]);
    expect([...acknowledged].filter(([target, atMs]) => atMs > acceptedMs && !history.has(target))).toEqual([]);
    for (let link = 0; link < LINKS; link++)
      expect((await follow(0, link))?.target).toBe((await follow(1, link))?.target ?? "");

    const { config } = loadConfig(environments[0] ?? {});
    const store = await openStore(config);
    const given = openStatements([readFileSync(join(work, "statement"), "utf8")], TEST_LOG_KEY);
    const from = given[0]?.rollback.new.size ?? 0;
    const observed = [...notes].map(([note, atMs]) => ({
      place: `at ${atMs.toFixed(0)}`,
      checkpoint: openCheckpoint(note, TEST_LOG_KEY),
      atMs,
    }));
    const findings: Finding[] = [];
    // Of the new epoch, and of the old one as far as the new one took it over: they must be extended as they are.
    const kept = observed.filter(({ checkpoint, atMs }) => atMs > acceptedMs || checkpoint.size <= from);
    await verify(store, TEST_LOG_KEY, { saved: kept, onFinding: (finding) => findings.push(finding) });
    expect(findings).toEqual([]);
    await store.close();
    expect(kept.length).toBeGreaterThan(10);

    const words = ["verify", "--quiet", "--checkpoint", join(work, "old")];
    expect((await runDeadletter(words, environments[0] ?? {})).exitCode).toBe(6);
    const stated = await runDeadletter([...words, "--rollback", join(work, "statement")], environments[0] ?? {});
    expect(stated).toMatchObject({ exitCode: 0, stdout: "" });
    console.log(
      `      ${lost} acknowledged changes lost, ${report.old_size - report.new_size} entries given up, ${seen.length} redirects, ${observed.length} checkpoints seen`,
    );
  }, 180_000);
});

test.skipIf(!HAS_POSTGRES)(
  "target_session_attrs=read-write goes past a standby that is named first, as libpq does",
  async () => {
    const pair = await startPair();
    const [one, two] = [new URL(pair.standbyUrl).host, new URL(pair.primaryUrl).host];
    const environment = newEnvironment(`postgres://postgres@${one},${two}/postgres?target_session_attrs=read-write`);
    const served = await startServe({ ...environment, LOG_LEVEL: "error" });
    const key = await createAdmin(environment);
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const create = async () => {
      const body = JSON.stringify({ original_url: "https://example.com/" });
      return (await fetch(`${served.url}/urls`, { method: "POST", headers, body })).status;
    };
    // Every connection of the pool.
    expect(new Set(await Promise.all(Array.from({ length: 50 }, create)))).toEqual(new Set([201]));
    served.child.kill("SIGKILL");
    await served.child.exited;
    await pair.remove();
    rmSync(environment.DEADLETTER_DATA_DIR, { recursive: true, force: true });
  },
  60_000,
);
