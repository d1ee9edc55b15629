// Bulk creates and what they do to redirects beside them: p99 at an even 300 a second, rounds with and without by turns; then so many
// rows, until all are in the log, and the memory of the server meanwhile. bench/writes.ts has bulk beside its floor.
//
//   bun bench/bulk.ts [--rows 1000000] [--rounds 5] [--seconds 5] [--only sqlite,postgres]

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stopServer } from "../test/support/postgres.ts";
import { runDeadletter, type Served, startServe } from "../test/support/process.ts";
import { type Beside, besideText, pacedRedirects, watchRss } from "./beside.ts";
import { environmentFor } from "./environment.ts";
import { openReport } from "./report.ts";

const report = openReport("bulk");
const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    only: { type: "string", default: "sqlite,postgres" },
  },
});
const [rows, rounds, seconds] = [values.rows, values.rounds, values.seconds].map(Number) as [number, number, number];
const KEY = `dl_${"b".repeat(43)}`;
const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/x-ndjson" };
const CODES = Array.from({ length: 200 }, (_, at) => `b${at}x`);
let next = 0;

for (const engine of values.only.split(",")) await measure(engine);
await stopServer();
report.save();
process.exit(0);

async function measure(engine: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), "deadletter-bulk-"));
  const environment = await environmentFor(engine, work, KEY);
  const served = await startServe(environment);
  await send(served, (at) => (at < CODES.length ? CODES[at] : undefined));
  const [quiet, busy]: [Beside[], Beside[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    quiet.push(await pacedRedirects(served.url, seconds, CODES));
    let isOver = false;
    const sending = send(served, () => (isOver ? undefined : `c${next++}x`));
    busy.push(await pacedRedirects(served.url, seconds, CODES));
    isOver = true;
    await sending;
  }
  const watch = watchRss(() => [served.child.pid]);
  const began = performance.now();
  await send(served, (at) => (at < rows ? `m${at}x` : undefined));
  const answeredS = (performance.now() - began) / 1000;
  while ((await backlog(served)) > 0) await Bun.sleep(50);
  const loggedS = (performance.now() - began) / 1000;
  const peakMb = watch.end();
  const metrics = await (await fetch(`${served.url}/metrics`, { headers })).text();
  const sumOf = (pattern: RegExp) => [...metrics.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
  served.child.kill("SIGTERM");
  await served.child.exited;
  const { exitCode } = await runDeadletter(["verify"], environment);
  report.print(`${engine}: ${besideText(quiet, busy)}`);
  report.print(
    `${engine}: ${rows} rows answered in ${answeredS.toFixed(1)} s (${(rows / answeredS).toFixed(0)}/s), all in the log after ${loggedS.toFixed(1)} s, peak ${peakMb.toFixed(0)} MB; ${sumOf(/^deadletter_redirect_lookups_total\{result="recheck"\} (\d+)$/gm)} rechecks, ${sumOf(/^deadletter_log_alarms_total\{[^}]*\} (\d+)$/gm)} alarms; verify exits ${exitCode}`,
  );
  rmSync(work, { recursive: true, force: true });
}

/** Rows with the codes that come, until none comes. Throws where a row is refused. */
async function send({ url }: Served, codeOf: (at: number) => string | undefined): Promise<void> {
  const encoder = new TextEncoder();
  let at = 0;
  const body = new ReadableStream({
    pull(controller) {
      let text = "";
      for (let count = 0; count < 500; count++) {
        const code = codeOf(at);
        if (code === undefined) {
          if (text !== "") controller.enqueue(encoder.encode(text));
          return controller.close();
        }
        text += `{"original_url":"https://example.com/page/${at++}","short_code":"${code}"}\n`;
      }
      controller.enqueue(encoder.encode(text));
    },
  });
  const answer = await fetch(`${url}/urls/bulk`, { method: "POST", headers, body });
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    const text = decoder.decode(chunk, { stream: true });
    const at = text.indexOf('"error"');
    if (at !== -1) throw new Error(text.slice(Math.max(0, at - 200), at + 500));
  }
}

async function backlog({ url }: Served): Promise<number> {
  return ((await (await fetch(`${url}/log/status`, { headers })).json()) as { backlog: number }).backlog;
}
