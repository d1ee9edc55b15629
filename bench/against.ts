// CPU of a redirect in an earlier release, divided by that of this tree: both serve at once, and rounds alternate. Each round is
// a wrk of its own over links drawn at random; CPU is each server's own (/proc). Read the median and its interval.
//
//   bun bench/against.ts --base DIR [--rounds 11] [--seconds 3] [--links 1000] [--connections 32]
//
// DIR is a checkout of the earlier release with its dependencies installed. wrk comes from apt-get install wrk.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startServe } from "../test/support/process.ts";
import { median, openReport } from "./report.ts";

const report = openReport("against");
const { values } = parseArgs({
  options: {
    base: { type: "string" },
    rounds: { type: "string", default: "11" },
    seconds: { type: "string", default: "3" },
    links: { type: "string", default: "1000" },
    connections: { type: "string", default: "32" },
  },
});
const [rounds, seconds, links, connections] = [values.rounds, values.seconds, values.links, values.connections].map(
  Number,
) as [number, number, number, number];
const wrk = Bun.which("wrk");
if (wrk === null || values.base === undefined) {
  console.error(wrk === null ? "wrk is missing: apt-get install wrk" : "--base is needed: a checkout to compare with");
  process.exit(1);
}
const work = mkdtempSync(join(tmpdir(), "deadletter-against-"));

async function start(name: string, tree: string) {
  const binary = join(work, name);
  const build = Bun.spawnSync([process.execPath, "build/build.ts", "--outfile", binary], {
    cwd: tree,
    stdout: "ignore",
    stderr: "inherit",
  });
  if (build.exitCode !== 0) throw new Error(`${tree} cannot be built`);
  const environment = { DEADLETTER_DATA_DIR: join(work, `${name}-data`), PORT: "0" };
  const served = await startServe(environment, [], [binary]);
  const headers = { authorization: `Bearer ${served.key}`, "content-type": "application/json" };
  for (let link = 0; link < links; link++) {
    const body = JSON.stringify({ original_url: `https://example.com/${link}/page`, short_code: codeOf(link) });
    const made = await fetch(`${served.url}/urls`, { method: "POST", headers, body });
    if (made.status !== 201) throw new Error(`${name}: ${made.status}`);
    await fetch(`${served.url}/${codeOf(link)}`, { redirect: "manual" });
  }
  return { name, url: served.url, child: served.child };
}

function codeOf(link: number): string {
  return `c${String(link).padStart(6, "0")}`;
}

const script = join(work, "random.lua");
writeFileSync(
  script,
  `local agents = {"Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
     "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/150.0 Safari/537.36"}
   request = function()
     local headers = {["User-Agent"] = agents[math.random(3)], ["Referer"] = "https://news" .. math.random(20) .. ".example/page"}
     return wrk.format("GET", string.format("/c%06d", math.random(0, ${links - 1})), headers)
   end`,
);

/** Microseconds of CPU a request, and requests a second. */
function measure({ url, child }: { readonly url: string; readonly child: { readonly pid: number } }) {
  const before = cpuTicks(child.pid);
  const load = ["-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, `${url}/`];
  const { stdout } = Bun.spawnSync([wrk as string, ...load], { stderr: "ignore" });
  const text = stdout.toString();
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  if (/Non-2xx or 3xx/.test(text)) throw new Error(text);
  return { us: ((cpuTicks(child.pid) - before) * 10_000) / requests, rate: requests / seconds };
}

/** User and system time in ticks of 10 ms (proc(5)). */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

const servers = [await start("base", values.base), await start("ours", join(import.meta.dir, ".."))] as const;
for (const server of servers) measure(server);
const results = { base: [] as number[], ours: [] as number[] };
const rates = { base: [] as number[], ours: [] as number[] };
for (let round = 0; round < rounds; round++) {
  // Each goes first as often as the other.
  for (const [at, name] of (["base", "ours"] as const).entries()) {
    const server = servers[(at + round) % 2] as (typeof servers)[number];
    const { us, rate } = measure(server);
    results[server.name as typeof name].push(us);
    rates[server.name as typeof name].push(rate);
  }
}
const ratios = results.base.map((us, round) => us / (results.ours[round] as number)).sort((a, b) => a - b);
report.print(`${links} links, ${connections} connections, ${rounds} rounds of ${seconds} s each`);
report.print(`base  ${median(results.base).toFixed(2)} us of CPU a redirect, ${median(rates.base).toFixed(0)}/s`);
report.print(`ours  ${median(results.ours).toFixed(2)} us of CPU a redirect, ${median(rates.ours).toFixed(0)}/s`);
// The second from each end: a 95 % interval of the median for 9 to 11 rounds (order statistics, binomial).
report.print(
  `base / ours: median ${median(ratios).toFixed(3)}, interval ${ratios[1]?.toFixed(3)} to ${ratios.at(-2)?.toFixed(3)}`,
);
report.print(`all: ${ratios.map((ratio) => ratio.toFixed(3)).join(" ")}`);
report.save();
for (const { child } of servers) {
  child.kill("SIGTERM");
  await child.exited;
}
rmSync(work, { recursive: true, force: true });
