// Two replicas whose database is frozen and restarted in turn under writers and readers: what no reader may be told. HISTORY_S=60 for
// the record.

import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { newEnvironment, until } from "../support/harness.ts";
import { judge, type Outage, type Read, type Written } from "../support/history.ts";
import { startCluster } from "../support/postgres.ts";
import { createAdmin, startServe } from "../support/process.ts";

const SECONDS = Number(process.env.HISTORY_S ?? 15);
const LINKS = 40;
const [WRITERS, READERS] = [8, 12];
const FROZEN_MS = 4_000;
const STALE_MAX_MS = 1_000;
/** How long after the database is back a replica may not know of it yet: a look at the log is given up after a second. */
const NOTICED_MS = 3_000;

describe("the judge of histories", () => {
  const version = (version: number, toldMs: number | undefined, isHeard = false): Written => ({
    link: "a",
    version,
    target: `t${version}`,
    sentMs: version * 1_000 - 10,
    toldMs,
    isHeard,
  });
  const read = (target: string, sentMs: number): Read => ({
    link: "a",
    replica: 0,
    sentMs,
    answeredMs: sentMs + 1,
    target,
  });
  const findings = (written: Written[], one: Read, outages: Outage[] = []) =>
    judge(written, [one], { boundMs: 1_000, outages });

  test("accepts what is new, what was superseded a moment ago, and what came of a change nobody was told of", () => {
    const written = [version(1, 1_000), version(2, 2_000), version(3, undefined)];
    for (const one of [read("t1", 1_500), read("t1", 2_900), read("t2", 9_000), read("t3", 9_000)])
      expect(findings(written, one)).toEqual([]);
  });

  test("finds an eviction that was lost, a change that all had heard of undone, and what never was", () => {
    const written = [version(1, 1_000), version(2, 2_000), version(3, 3_000, true)];
    expect(findings(written, read("t1", 3_001))[0]).toContain("after all had heard of 3");
    expect(findings([version(1, 1_000), version(2, 2_000)], read("t1", 3_001))[0]).toContain(
      "1001 ms after 2 was made",
    );
    expect(findings(written, read("t9", 3_001))[0]).toContain("which it never did");
    expect(findings(written, read("t3", 500))[0]).toContain("before that was asked for");
  });

  test("lets an outage between excuse the age of an answer, and not what all had heard of", () => {
    const outages = [{ fromMs: 2_500, untilMs: 6_000 }];
    expect(findings([version(1, 1_000), version(2, 2_000)], read("t1", 5_000), outages)).toEqual([]);
    expect(findings([version(1, 1_000), version(2, 2_000)], read("t1", 2_400), outages)).toEqual([]);
    expect(findings([version(1, 1_000), version(2, 7_000)], read("t1", 9_000), outages)).toHaveLength(1);
    expect(findings([version(1, 1_000), version(2, 2_000, true)], read("t1", 5_000), outages)).toHaveLength(1);
  });
});

describe("two replicas whose database is frozen and restarted in turn", () => {
  test(`for ${SECONDS} s: no reader is told what all had heard the end of, or what is older than the bound`, async () => {
    const cluster = await startCluster();
    const environments = [0, 1].map(() => newEnvironment(cluster.url, { LOG_LEVEL: "error" }));
    const replicas = [await startServe(environments[0] ?? {}), await startServe(environments[1] ?? {})];
    const key = await createAdmin(environments[0] ?? {});
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const send = (replica: number, method: string, path: string, body?: object, more: Record<string, string> = {}) =>
      fetch((replicas[replica]?.url ?? "") + path, {
        method,
        redirect: "manual",
        headers: { ...headers, ...more },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    const told = new Map<string, { toldMs: number; isHeard: boolean }>();
    const asked = new Map<string, number>();
    const reads: Read[] = [];
    const outages: Outage[] = [];
    const counts = { heard: 0, unheard: 0, unknown: 0, refused: 0 };
    let isOver = false;

    const change = async (writer: number, step: number) => {
      const link = `link-${(writer * 7 + step) % LINKS}`;
      const target = `https://example.com/${link}/${writer}/${step}`;
      asked.set(target, performance.now());
      const prefer: Record<string, string> = step % 2 === 0 ? { prefer: "wait=6" } : {};
      const answer = await send(step % 2, "PUT", `/urls/${link}`, { original_url: target }, prefer).catch(
        () => undefined,
      );
      const body = (await answer?.json().catch(() => undefined)) as { heard?: { complete: boolean } } | undefined;
      if (answer?.status !== 200) {
        counts.unknown += 1;
        return;
      }
      const isHeard = body?.heard?.complete === true;
      if (prefer.prefer !== undefined) counts[isHeard ? "heard" : "unheard"] += 1;
      told.set(target, { toldMs: performance.now(), isHeard });
    };
    const look = async (reader: number, step: number) => {
      const [link, replica] = [`link-${(reader + step * 13) % LINKS}`, step % 2];
      const sentMs = performance.now();
      const answer = await send(replica, "GET", `/${link}`).catch(() => undefined);
      const target = answer?.headers.get("location");
      if (target == null) counts.refused += 1;
      else reads.push({ link, replica, sentMs, answeredMs: performance.now(), target });
    };
    for (let link = 0; link < LINKS; link++) {
      const target = `https://example.com/link-${link}/first`;
      asked.set(target, performance.now());
      expect((await send(0, "POST", "/urls", { original_url: target, short_code: `link-${link}` })).status).toBe(201);
      told.set(target, { toldMs: performance.now(), isHeard: false });
    }
    for (let link = 0; link < LINKS; link++) for (const replica of [0, 1]) await send(replica, "GET", `/link-${link}`);

    const running = (count: number, run: (worker: number, step: number) => Promise<void>, pauseMs: number) =>
      Array.from({ length: count }, async (_, worker) => {
        for (let step = worker; !isOver; step++) {
          await run(worker, step);
          await Bun.sleep(pauseMs);
        }
      });
    const workers = [...running(WRITERS, change, 20), ...running(READERS, look, 2)];
    const untilMs = performance.now() + SECONDS * 1_000;
    for (let turn = 0; performance.now() < untilMs; turn++) {
      const before = told.size;
      await until("changes are made", () => told.size > before + 40, 30_000);
      const fromMs = performance.now();
      if (turn % 2 === 0) {
        cluster.freeze();
        await Bun.sleep(FROZEN_MS);
        cluster.thaw();
      } else {
        await cluster.kill();
        await cluster.start();
      }
      outages.push({ fromMs, untilMs: performance.now() + NOTICED_MS });
    }
    const after = counts.heard;
    await until("all hear of changes again", () => counts.heard > after + 10, 30_000);
    isOver = true;
    await Promise.all(workers);

    const written: Written[] = [];
    for (let link = 0; link < LINKS; link++) {
      const events = (await (await send(0, "GET", `/urls/link-${link}/events?per_page=500`)).json()) as {
        version: number;
        details: { changes: { original_url: { to: string } } };
      }[];
      for (const { version, details } of events) {
        const target = details.changes.original_url.to;
        const { toldMs, isHeard = false } = told.get(target) ?? {};
        written.push({ link: `link-${link}`, version, target, sentMs: asked.get(target) ?? Infinity, toldMs, isHeard });
      }
    }
    console.log(
      `      ${written.length} versions, ${reads.length} reads, ${outages.length} outages: ${JSON.stringify(counts)}`,
    );
    expect(judge(written, reads, { boundMs: STALE_MAX_MS, outages })).toEqual([]);
    expect(counts.heard).toBeGreaterThan(50);
    expect(reads.length).toBeGreaterThan(1_000);
    for (const { child } of replicas) child.kill("SIGKILL");
    await cluster.remove();
    for (const { DEADLETTER_DATA_DIR } of environments) rmSync(DEADLETTER_DATA_DIR, { recursive: true, force: true });
  }, 300_000);
});
