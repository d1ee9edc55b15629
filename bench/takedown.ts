// An incident that takes down a third of all links: how soon it says what it would touch, how long it takes with writers that make
// matching links all the while, when a second replica refuses them, whether it goes on after a kill -9, and whether undo brings back
// exactly those after the person who did it was erased.
//
//   bun bench/takedown.ts [--bad 100000] [--good 200000] [--only sqlite,postgres]

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { IncidentProgress } from "../src/operations/incidents.ts";
import { stopServer } from "../test/support/postgres.ts";
import { runDeadletter, type Served, startServe } from "../test/support/process.ts";
import { watchRss } from "./beside.ts";
import { environmentFor } from "./environment.ts";
import { median, openReport } from "./report.ts";

const report = openReport("takedown");
const { values } = parseArgs({
  options: {
    bad: { type: "string", default: "100000" },
    good: { type: "string", default: "200000" },
    only: { type: "string", default: "sqlite,postgres" },
  },
});
const [bad, good] = [Number(values.bad), Number(values.good)];
const KEY = `dl_${"t".repeat(43)}`;
const PREVIEWS = 5;
const BEFORE = 50;

for (const engine of values.only.split(",")) await measure(engine);
await stopServer();
report.save();

async function measure(engine: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), "deadletter-takedown-"));
  const environment = await environmentFor(engine, work, KEY);
  let one = await startServe(environment);
  const two = await startServe(environment);
  const peak = watchRss(() => [one.child.pid, two.child.pid]);
  await fill(one, "bad", bad);
  await fill(one, "good", good);
  // These are down for another reason, and must stay so.
  for (let at = 0; at < BEFORE; at++) await ask(one, "DELETE", `/urls/bad-${at}x`, { reason: "duplicate" });
  const person = await ask(one, "POST", "/users", { username: "oncall", email: "oncall@bench.example" });
  const { key } = await ask(one, "POST", `/users/${person.id}/keys`, { name: "night", role: "editor" });

  const match = { host: "bad.example" };
  for (const asked of [match, { host_suffix: "bad.example" }, { glob: "*bad.example*" }]) {
    const tookMs: number[] = [];
    for (let run = 0; run < PREVIEWS; run++) {
      const began = performance.now();
      const { preview } = await ask(one, "POST", "/api/incidents", { match: asked, reason: "x", dry_run: true });
      tookMs.push(performance.now() - began);
      if (preview.links !== bad - BEFORE) throw new Error(`the preview says ${preview.links}`);
    }
    report.print(
      `${engine}: dry run of ${JSON.stringify(asked)}: ${median(tookMs).toFixed(0)} ms, median of ${PREVIEWS}`,
    );
  }

  const writers = startWriters(() => [one, two]);
  const refusal = watchRefusal(two);
  await Bun.sleep(500);
  const began = performance.now();
  const opened: IncidentProgress = await ask(
    one,
    "POST",
    "/api/incidents",
    { match, reason: "phishing", hold: true },
    key,
  );
  const { id } = opened.incident;
  let state = opened;
  let atKill: number | undefined;
  while (!state.settled) {
    if (state.left === 0) await Bun.sleep(state.again_ms);
    if (atKill === undefined && state.incident.taken > bad / 2) {
      const interrupted = ask(one, "POST", `/api/incidents/${id}/act`, undefined, key).catch(() => undefined);
      await Bun.sleep(100);
      one.child.kill("SIGKILL");
      await one.child.exited;
      await interrupted;
      one = await startServe(environment);
      atKill = (await ask(one, "GET", `/api/incidents/${id}`)).taken;
    }
    state = await ask(one, "POST", `/api/incidents/${id}/act`, undefined, key);
  }
  const tookS = (performance.now() - began) / 1000;
  const made = await writers();
  const { preview } = await ask(one, "POST", "/api/incidents", { match, reason: "x", dry_run: true });
  const late = await refusal();
  report.print(
    `${engine}: ${state.incident.taken} links down in ${tookS.toFixed(1)} s, ${made} of them made by writers meanwhile; killed at ${atKill}; ${preview.links} left`,
  );
  report.print(
    `${engine}: a second replica refused each of ${late.count} sampled links within ${late.mostMs} ms of its event (bound: 1000 ms)`,
  );

  await ask(one, "POST", `/users/${person.id}/erase`, {});
  const undoing = performance.now();
  let undone: IncidentProgress;
  do undone = await ask(one, "POST", `/api/incidents/${id}/undo`);
  while (undone.left > 0);
  const undoS = (performance.now() - undoing) / 1000;
  const after = (await ask(one, "POST", "/api/incidents", { match, reason: "x", dry_run: true })).preview.links;
  const isExact = after === state.incident.taken && after === bad - BEFORE + made;
  const stats = await ask(one, "GET", "/stats");
  const peakMb = peak.end();
  for (const each of [one, two]) {
    each.child.kill("SIGTERM");
    await each.child.exited;
  }
  const { exitCode } = await runDeadletter(["verify"], environment);
  report.print(
    `${engine}: after erasing whoever did it, undo brought back ${undone.incident.undone} in ${undoS.toFixed(1)} s, exactly those: ${isExact}; links now ${JSON.stringify(stats.links)}; verify exits ${exitCode}; peak ${peakMb.toFixed(0)} MB`,
  );
  rmSync(work, { recursive: true, force: true });
}

async function fill(served: Served, name: string, count: number): Promise<void> {
  for (let from = 0; from < count; from += 50_000) {
    const rows = Array.from(
      { length: Math.min(50_000, count - from) },
      (_, at) => `{"original_url":"https://${name}.example/page/${from + at}","short_code":"${name}-${from + at}x"}\n`,
    );
    const answer = await fetch(`${served.url}/urls/bulk`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/x-ndjson" },
      body: rows.join(""),
    });
    const failed = (await answer.text()).split("\n").filter((line) => line.includes('"error"'));
    if (failed.length > 0) throw new Error(failed[0]);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
async function ask(served: Served, method: string, path: string, body?: object, key = KEY): Promise<any> {
  const answer = await fetch(served.url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return await answer.json();
}

/** Make matching links, one after the other at each replica; how many were made, once they are told to stop. */
function startWriters(replicas: () => readonly Served[]): () => Promise<number> {
  let [isOver, made] = [false, 0];
  const loops = [0, 1].map(async (at) => {
    while (!isOver) {
      const body = { original_url: `https://bad.example/new/${made}` };
      const isMade = await ask(replicas()[at] as Served, "POST", "/urls", body).then(
        () => true,
        () => false,
      );
      if (isMade) made += 1;
      else await Bun.sleep(5);
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(loops);
    return made;
  };
}

/** Follows a hundred links at a replica until each is refused; how long after its event the latest was. */
function watchRefusal(replica: Served): () => Promise<{ count: number; mostMs: number }> {
  const step = Math.floor((bad - BEFORE) / 100);
  const codes = Array.from({ length: 100 }, (_, at) => `bad-${BEFORE + at * step}x`);
  const refusedAt = new Map<string, number>();
  const loop = (async () => {
    while (refusedAt.size < codes.length) {
      for (const code of codes) {
        if (refusedAt.has(code)) continue;
        const { status } = await fetch(`${replica.url}/${code}`, { redirect: "manual" });
        if (status === 404) refusedAt.set(code, Date.now());
      }
      await Bun.sleep(10);
    }
  })();
  return async () => {
    await loop;
    let mostMs = 0;
    for (const code of codes) {
      const events = await ask(replica, "GET", `/urls/${code}/events`);
      const at = Date.parse(events.at(-1).at ?? events.at(-1).timestamp);
      mostMs = Math.max(mostMs, (refusedAt.get(code) ?? 0) - at);
    }
    return { count: codes.length, mostMs };
  };
}
