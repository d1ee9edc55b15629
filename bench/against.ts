// CPU of a redirect and of a created link in an earlier release, divided by that of this tree: both serve at once, and rounds
// alternate. Each round is a wrk of its own; CPU is each server's own (/proc). Read the median and its interval.
//
//   bun bench/against.ts --base DIR [--rounds 11] [--seconds 3] [--warm 20] [--links 1000] [--connections 32] [--only redirect,sqlite,postgres]
//
// DIR is a checkout of the earlier release with its dependencies installed. wrk comes from apt-get install wrk.

import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createLogKey, encodeLogKey } from "../src/audit/log-key.ts";
import { createDatabase, stopServer } from "../test/support/postgres.ts";
import { startServe } from "../test/support/process.ts";
import { median, openReport } from "./report.ts";

const report = openReport("against");
const { values } = parseArgs({
  options: {
    base: { type: "string" },
    rounds: { type: "string", default: "11" },
    seconds: { type: "string", default: "3" },
    /** Before anything is measured: threads that compile what is new to them cost as much as the requests at first. */
    warm: { type: "string", default: "20" },
    links: { type: "string", default: "1000" },
    connections: { type: "string", default: "32" },
    only: { type: "string", default: "redirect,sqlite,postgres" },
  },
});
const [rounds, seconds, warm, links, connections] = [
  values.rounds,
  values.seconds,
  values.warm,
  values.links,
  values.connections,
].map(Number) as [number, number, number, number, number];
const wrk = Bun.which("wrk");
if (wrk === null || values.base === undefined) {
  console.error(wrk === null ? "wrk is missing: apt-get install wrk" : "--base is needed: a checkout to compare with");
  process.exit(1);
}
const work = mkdtempSync(join(tmpdir(), "deadletter-against-"));
const KEY = `dl_${randomBytes(32).toString("base64url")}`;

interface Server {
  readonly name: "base" | "ours";
  readonly url: string;
  readonly child: { readonly pid: number; kill(signal: "SIGTERM"): void; readonly exited: Promise<number> };
}

function buildTree(name: string, tree: string): string {
  const binary = join(work, name);
  const build = Bun.spawnSync([process.execPath, "build/build.ts", "--outfile", binary], {
    cwd: tree,
    stdout: "ignore",
    stderr: "inherit",
  });
  if (build.exitCode !== 0) throw new Error(`${tree} cannot be built`);
  return binary;
}

async function start(name: Server["name"], binary: string, engine: "sqlite" | "postgres"): Promise<Server> {
  const database = {
    DATABASE_URL: engine === "postgres" ? await createDatabase() : "",
    DEADLETTER_LOG_KEY: encodeLogKey(createLogKey("bench.example/log", new Uint8Array(32).fill(7))),
    DEADLETTER_MIGRATE: "true",
  };
  const environment = {
    DEADLETTER_DATA_DIR: join(work, `${name}-${engine}-data`),
    PORT: "0",
    DEADLETTER_ADMIN_KEY: KEY,
    ...(engine === "postgres" ? database : {}),
  };
  const { url, child } = await startServe(environment, [], [binary]);
  return { name, url, child };
}

async function makeLinks({ name, url }: Server): Promise<void> {
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  for (let link = 0; link < links; link++) {
    const body = JSON.stringify({ original_url: `https://example.com/${link}/page`, short_code: codeOf(link) });
    const made = await fetch(`${url}/urls`, { method: "POST", headers, body });
    if (made.status !== 201) throw new Error(`${name}: ${made.status}`);
    await fetch(`${url}/${codeOf(link)}`, { redirect: "manual" });
  }
}

function codeOf(link: number): string {
  return `c${String(link).padStart(6, "0")}`;
}

/** What wrk asks: a link drawn at random, or a new one. */
const SCRIPTS = {
  redirect: `local agents = {"Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
     "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
     "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/150.0 Safari/537.36"}
   request = function()
     local headers = {["User-Agent"] = agents[math.random(3)], ["Referer"] = "https://news" .. math.random(20) .. ".example/page"}
     return wrk.format("GET", string.format("/c%06d", math.random(0, ${links - 1})), headers)
   end`,
  create: `wrk.headers["Authorization"] = "Bearer ${KEY}"
   wrk.headers["Content-Type"] = "application/json"
   request = function()
     return wrk.format("POST", "/urls", nil, string.format('{"original_url":"https://example.com/page/%d"}', math.random(1000000)))
   end`,
};

/** Microseconds of CPU a request, and requests a second. */
function measure({ url, child }: Server, asked: keyof typeof SCRIPTS, lengthS = seconds) {
  const script = join(work, `${asked}.lua`);
  writeFileSync(script, SCRIPTS[asked]);
  const before = cpuTicks(child.pid);
  const load = ["-t1", `-c${connections}`, `-d${lengthS}s`, "-s", script, `${url}/`];
  const { stdout } = Bun.spawnSync([wrk as string, ...load], { stderr: "ignore" });
  const text = stdout.toString();
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  if (/Non-2xx or 3xx/.test(text)) throw new Error(text);
  return { us: ((cpuTicks(child.pid) - before) * 10_000) / requests, rate: requests / lengthS };
}

/** User and system time in ticks of 10 ms (proc(5)). */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

async function compare(title: string, servers: readonly [Server, Server], asked: keyof typeof SCRIPTS): Promise<void> {
  for (const server of servers) measure(server, asked, warm);
  const us = { base: [] as number[], ours: [] as number[] };
  const rates = { base: [] as number[], ours: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    // Each goes first as often as the other.
    for (const at of [round, round + 1]) {
      const server = servers[at % 2] as Server;
      const measured = measure(server, asked);
      us[server.name].push(measured.us);
      rates[server.name].push(measured.rate);
    }
  }
  const ratios = us.base.map((each, round) => each / (us.ours[round] as number)).sort((a, b) => a - b);
  for (const name of ["base", "ours"] as const)
    report.print(`${title}: ${name}  ${median(us[name]).toFixed(2)} us of CPU, ${median(rates[name]).toFixed(0)}/s`);
  // The second from each end: a 95 % interval of the median for 9 to 11 rounds (order statistics, binomial).
  const interval = `${ratios[1]?.toFixed(3)} to ${ratios.at(-2)?.toFixed(3)}`;
  report.print(`${title}: base / ours: median ${median(ratios).toFixed(3)}, interval ${interval}`);
  report.print(`${title}: all: ${ratios.map((ratio) => ratio.toFixed(3)).join(" ")}`);
}

const binaries = { base: buildTree("base", values.base), ours: buildTree("ours", join(import.meta.dir, "..")) };
report.print(`${links} links, ${connections} connections, ${rounds} rounds of ${seconds} s each`);
const only = values.only.split(",");
for (const engine of ["sqlite", "postgres"] as const) {
  const isWanted = only.includes(engine) || (engine === "sqlite" && only.includes("redirect"));
  if (!isWanted) continue;
  const servers = [await start("base", binaries.base, engine), await start("ours", binaries.ours, engine)] as const;
  if (engine === "sqlite" && only.includes("redirect")) {
    for (const server of servers) await makeLinks(server);
    await compare("redirect", servers, "redirect");
  }
  if (only.includes(engine)) await compare(`create on ${engine}`, servers, "create");
  for (const { child } of servers) {
    child.kill("SIGTERM");
    await child.exited;
  }
}
await stopServer();
report.save();
rmSync(work, { recursive: true, force: true });
process.exit(0);
