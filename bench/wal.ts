// The embedded store under writers that never pause: links created a second, the largest write-ahead log seen, redirects beside.
//
//   bun bench/wal.ts [--seconds 45] [--clients 16] [--tree DIR]
//
// --tree names another checkout, to compare with; rounds of one and the other tell what of a difference is noise.

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startServe } from "../test/support/process.ts";
import { openReport } from "./report.ts";

const report = openReport("wal");
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "45" },
    clients: { type: "string", default: "16" },
    tree: { type: "string", default: join(import.meta.dir, "..") },
  },
});
const work = mkdtempSync(join(tmpdir(), "deadletter-wal-"));
const command = [process.execPath, join(values.tree, "src/main.ts")];
const served = await startServe({ DEADLETTER_DATA_DIR: work, PORT: "0", LOG_LEVEL: "warn" }, [], command);
const headers = { authorization: `Bearer ${served.key}`, "content-type": "application/json" };
const create = (body: object) =>
  fetch(`${served.url}/urls`, { method: "POST", headers, body: JSON.stringify(body) }).then(({ status }) => status);
await create({ original_url: "https://example.com/", short_code: "hot" });

let [made, failed, largest] = [0, 0, 0];
let isOver = false;
const latencies: number[] = [];
const watch = setInterval(() => {
  largest = Math.max(largest, statSync(join(work, "deadletter.db-wal"), { throwIfNoEntry: false })?.size ?? 0);
}, 20);
const startedMs = performance.now();
const writers = Array.from({ length: Number(values.clients) }, async () => {
  while (!isOver) {
    if ((await create({ original_url: `https://example.com/some/page?x=${made}` })) === 201) made += 1;
    else failed += 1;
  }
});
const reader = (async () => {
  while (!isOver) {
    const askedMs = performance.now();
    await (await fetch(`${served.url}/hot`, { redirect: "manual" })).text();
    latencies.push(performance.now() - askedMs);
    await Bun.sleep(5);
  }
})();
await Bun.sleep(Number(values.seconds) * 1000);
isOver = true;
await Promise.all([...writers, reader]);
clearInterval(watch);
const seconds = (performance.now() - startedMs) / 1000;
latencies.sort((a, b) => a - b);
const percentile = (part: number) => latencies[Math.floor(latencies.length * part)]?.toFixed(1);
const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
report.print(`${values.clients} clients, ${seconds.toFixed(0)} s`);
report.print(`${(made / seconds).toFixed(0)} links a second, ${failed} failed`);
report.print(
  `write-ahead log: ${mib(largest)} MiB at the most; database: ${mib(statSync(join(work, "deadletter.db")).size)} MiB`,
);
report.print(`redirects beside: p50 ${percentile(0.5)} ms, p99 ${percentile(0.99)} ms`);
report.save();
served.child.kill("SIGTERM");
await served.child.exited;
rmSync(work, { recursive: true, force: true });
