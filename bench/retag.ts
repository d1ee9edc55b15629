// A tag that is renamed on many links: how long, with how much memory, what it does to redirects beside it (p99 at an even 300 a
// second, rounds with and without it by turns), and whether it goes on after a kill -9 in the middle.
//
//   bun bench/retag.ts [--links 100000] [--rounds 5] [--seconds 5] [--only sqlite,postgres]

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { RenamedTag } from "../src/operations/tags.ts";
import { stopServer } from "../test/support/postgres.ts";
import { runDeadletter, type Served, startServe } from "../test/support/process.ts";
import { type Beside, besideText, pacedRedirects, watchRss } from "./beside.ts";
import { environmentFor } from "./environment.ts";
import { openReport } from "./report.ts";

const report = openReport("retag");
const { values } = parseArgs({
  options: {
    links: { type: "string", default: "100000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    only: { type: "string", default: "sqlite,postgres" },
  },
});
const [links, rounds, seconds] = [values.links, values.rounds, values.seconds].map(Number) as [number, number, number];
const KEY = `dl_${"r".repeat(43)}`;
const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
const CODES = Array.from({ length: 200 }, (_, at) => `t${at}x`);

for (const engine of values.only.split(",")) await measure(engine);
await stopServer();
report.save();

async function measure(engine: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), "deadletter-retag-"));
  const environment = await environmentFor(engine, work, KEY);
  let served = await startServe(environment);
  await fill(served);
  const [quiet, busy]: [Beside[], Beside[]] = [[], []];
  const watch = watchRss(() => [served.child.pid]);
  const began = performance.now();
  const renaming = renameAll(served, "old", "new");
  await renaming;
  const aloneS = (performance.now() - began) / 1000;
  for (let round = 0, [from, to] = ["new", "old"]; round < rounds; round++) {
    quiet.push(await pacedRedirects(served.url, seconds, CODES));
    const isOver = { value: false };
    const work = (async () => {
      while (!isOver.value) {
        const { left } = await renameSome(served, from, to);
        if (left === 0) [from, to] = [to, from];
      }
    })();
    busy.push(await pacedRedirects(served.url, seconds, CODES));
    isOver.value = true;
    await work;
    if (round === rounds - 1) await renameAll(served, from, to);
  }
  const peakMb = watch.end();
  const killed = await killHalfway(served, environment);
  served = killed.served;
  await stop(served);
  const { exitCode } = await runDeadletter(["verify"], environment);
  report.print(
    `${engine}: ${links} links renamed in ${aloneS.toFixed(1)} s (${(links / aloneS).toFixed(0)}/s), peak ${peakMb.toFixed(0)} MB`,
  );
  report.print(`${engine}: ${besideText(quiet, busy)}`);
  report.print(
    `${engine}: killed at ${killed.atKill} of ${links}, gone on with: ${killed.after} renamed, none left; verify exits ${exitCode}`,
  );
  rmSync(work, { recursive: true, force: true });
}

async function fill({ url }: Served): Promise<void> {
  const rows = Array.from(
    { length: links },
    (_, at) => `{"original_url":"https://example.com/page/${at}","short_code":"t${at}x","tags":["old","kept"]}\n`,
  );
  const answer = await fetch(`${url}/urls/bulk`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/x-ndjson" },
    body: rows.join(""),
  });
  const failed = (await answer.text()).split("\n").filter((line) => line.includes('"error"'));
  if (failed.length > 0) throw new Error(failed[0]);
}

async function renameSome({ url }: Served, from: string, to: string): Promise<RenamedTag> {
  const body = JSON.stringify({ from, to, merge: true });
  const answer = await fetch(`${url}/api/tags/rename`, { method: "POST", headers, body });
  if (answer.status === 404) return { from, to, changed: 0, left: 0 };
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as RenamedTag;
}

async function renameAll(served: Served, from: string, to: string): Promise<number> {
  let changed = 0;
  for (;;) {
    const part = await renameSome(served, from, to);
    changed += part.changed;
    if (part.left === 0) return changed;
  }
}

/** Kills the server half a rename in, and asks another one for the rest. */
async function killHalfway(first: Served, environment: Record<string, string>) {
  const [{ tag: from } = { tag: "old" }] = (await tagsOf(first)).filter(({ tag }) => tag !== "kept");
  const to = from === "old" ? "new" : "old";
  const renaming = renameAll(first, from, to).catch(() => undefined);
  const half = async () => ((await tagsOf(first)).find(({ tag }) => tag === to)?.links ?? 0) >= links / 2;
  while (!(await half())) await Bun.sleep(20);
  first.child.kill("SIGKILL");
  await first.child.exited;
  await renaming;
  const served = await startServe(environment);
  const atKill = (await tagsOf(served)).find(({ tag }) => tag === to)?.links ?? 0;
  await renameAll(served, from, to);
  const after = await tagsOf(served);
  if (after.some(({ tag }) => tag === from)) throw new Error(`links still bear ${from}`);
  return { served, atKill, after: after.find(({ tag }) => tag === to)?.links ?? 0 };
}

async function tagsOf({ url }: Served): Promise<readonly { tag: string; links: number }[]> {
  return (await (await fetch(`${url}/api/tags`, { headers })).json()) as { tag: string; links: number }[];
}

async function stop({ child }: Served): Promise<void> {
  child.kill("SIGTERM");
  await child.exited;
}
