// Memory under strangers who write 15 KB into each header: redirects by 20,000 agents and referrers, alternately, after a warm-up
// with short ones. RSS is the server's own (/proc).
//
//   bun bench/flood.ts [--requests 1000000] [--tree DIR]
//
// --tree names another checkout to measure. wrk comes from apt-get install wrk.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startServe } from "../test/support/process.ts";
import { openReport } from "./report.ts";

const report = openReport("flood");
const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "1000000" },
    tree: { type: "string", default: join(import.meta.dir, "..") },
  },
});
const wrk = Bun.which("wrk");
if (wrk === null) {
  console.error("wrk is missing: apt-get install wrk");
  process.exit(1);
}
const work = mkdtempSync(join(tmpdir(), "deadletter-flood-"));
const command = [process.execPath, join(values.tree, "src/main.ts")];
const served = await startServe({ DEADLETTER_DATA_DIR: join(work, "data"), PORT: "0", LOG_LEVEL: "warn" }, [], command);
await fetch(`${served.url}/urls`, {
  method: "POST",
  headers: { authorization: `Bearer ${served.key}`, "content-type": "application/json" },
  body: JSON.stringify({ original_url: "https://example.com/", short_code: "hot" }),
});

/** Requests that were answered; each of 20,000 names `chars` long, in one header and then in the other. */
function load(name: string, chars: number, seconds: number): number {
  const script = join(work, `${name}.lua`);
  writeFileSync(
    script,
    `local rest = string.rep("x", ${chars})
     local count = 0
     request = function()
       count = count + 1
       local who = math.random(20000) .. rest
       if count % 2 == 0 then return wrk.format("GET", "/hot", {["User-Agent"] = "Mozilla/5.0 (X11; Linux) " .. who}) end
       return wrk.format("GET", "/hot", {["User-Agent"] = "Mozilla/5.0 (X11; Linux)", ["Referer"] = "https://h" .. math.random(20000) .. ".example/" .. who})
     end`,
  );
  const { stdout } = Bun.spawnSync([wrk as string, "-t1", "-c16", `-d${seconds}s`, "-s", script, served.url]);
  const text = stdout.toString();
  if (/Non-2xx or 3xx/.test(text)) throw new Error(text);
  return Number(/(\d+) requests in/.exec(text)?.[1]);
}

function rssMiB(): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${served.child.pid}/status`, "utf8"))?.[1]) / 1024;
}

const warm = load("short", 8, 10);
const before = rssMiB();
report.print(`after ${warm} redirects with short headers: ${before.toFixed(0)} MiB`);
let [answered, largest] = [0, 0];
while (answered < Number(values.requests)) {
  answered += load("long", 15_000, 10);
  largest = Math.max(largest, rssMiB());
}
report.print(`after ${answered} with a header of 15 KB: ${rssMiB().toFixed(0)} MiB, ${largest.toFixed(0)} at the most`);
report.print(`growth: ${(largest - before).toFixed(0)} MiB`);
report.save();
served.child.kill("SIGTERM");
await served.child.exited;
rmSync(work, { recursive: true, force: true });
