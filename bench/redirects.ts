// What a redirect costs: nginx's constant answer, Bun's constant answer, Bun with a Map of as many links, the same with one more
// part of deadletter at a time, and deadletter with cache, clicks, metrics and log lines on. Interleaved rounds in one run; CPU is
// each server's own (/proc), per request.
//
//   bun run bench [--links 1000000] [--rounds 5] [--seconds 5] [--connections 64] [--data DIR]
//
// wrk makes the load; wrk and nginx come from apt-get install wrk nginx-light.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadConfig } from "../src/config/load.ts";
import { freePort } from "../test/support/postgres.ts";
import { fillStore } from "./fill.ts";
import { median, openReport } from "./report.ts";
import { STEPS } from "./steps.ts";

const report = openReport("redirects");
const { values } = parseArgs({
  options: {
    links: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    connections: { type: "string", default: "64" },
    binary: { type: "string", default: "dist/deadletter" },
    /** A data directory with these links, kept for the next run; filled where it has none. */
    data: { type: "string" },
  },
});
const [links, rounds, seconds, connections] = [values.links, values.rounds, values.seconds, values.connections].map(
  Number,
) as [number, number, number, number];

const wrk = Bun.which("wrk");
if (wrk === null) {
  console.error("wrk is missing: apt-get install wrk");
  process.exit(1);
}
const nginx = Bun.which("nginx") ?? "/usr/sbin/nginx";
const work = mkdtempSync(join(tmpdir(), "deadletter-bench-"));

interface Contender {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
}

const children: { kill: (signal?: number) => void }[] = [];

async function startNginx(): Promise<Contender | undefined> {
  if (!(await Bun.file(nginx).exists())) {
    console.error("nginx is missing and left out: apt-get install nginx-light");
    return undefined;
  }
  const port = await freePort();
  const config = join(work, "nginx.conf");
  writeFileSync(
    config,
    `worker_processes 1; daemon off; master_process off; pid ${work}/nginx.pid; error_log /dev/null;
     events { worker_connections 1024; }
     http { access_log off; keepalive_requests 100000000; client_body_temp_path ${work}; proxy_temp_path ${work}; fastcgi_temp_path ${work};
       uwsgi_temp_path ${work}; scgi_temp_path ${work};
       server { listen 127.0.0.1:${port}; location / { return 302 https://example.com/page; } } }`,
  );
  const child = Bun.spawn([nginx, "-c", config, "-p", work], { stdout: "ignore", stderr: "ignore" });
  children.push(child);
  return { name: "nginx, constant", url: `http://127.0.0.1:${port}`, pid: child.pid };
}

async function startStep(name: string, count: number, step: string = STEPS[0]): Promise<Contender> {
  const server = join(import.meta.dir, "step-server.ts");
  const child = Bun.spawn([process.execPath, server, String(count), step], { stdout: "pipe" });
  children.push(child);
  const { value } = await child.stdout.getReader().read();
  return { name, url: new TextDecoder().decode(value).trim(), pid: child.pid };
}

async function startDeadletter(): Promise<{ contender: Contender; stop: () => Promise<void> }> {
  const dataDir = values.data ?? join(work, "data");
  const { config } = loadConfig({ DEADLETTER_DATA_DIR: dataDir });
  await fillStore(config, links);
  const environment = {
    // Everything on: a line for each redirect as well.
    DEADLETTER_LOG_REDIRECTS: "all",
    ...process.env,
    DEADLETTER_DATA_DIR: dataDir,
    PORT: "0",
    DEADLETTER_CACHE_ENTRIES: String(links * 2 + 10_000),
    DEADLETTER_CACHE_MEGABYTES: "4096",
  };
  const child = Bun.spawn([values.binary, "serve"], { env: environment, stdout: "ignore", stderr: "pipe" });
  children.push(child);
  const reader = child.stderr.getReader();
  let text = "";
  while (!/serves on (\S+)/.test(text)) text += new TextDecoder().decode((await reader.read()).value);
  const url = /serves on (\S+)/.exec(text)?.[1] ?? "";
  return {
    contender: { name: "deadletter, everything on", url, pid: child.pid },
    stop: async () => {
      child.kill(15);
      await child.exited;
    },
  };
}

interface Measured {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuUs: number;
  readonly errors: number;
}

/** User and system time of all threads, in microseconds (proc(5); 100 ticks a second). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function rssOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
}

async function measure({ url, pid }: Contender, script: string, forSeconds = seconds): Promise<Measured> {
  const before = cpuOf(pid);
  const child = Bun.spawn(
    [wrk as string, "-t1", `-c${connections}`, `-d${forSeconds}s`, "--latency", "-s", script, `${url}/c00000001`],
    { stdout: "pipe", stderr: "pipe" },
  );
  const text = await new Response(child.stdout).text();
  await child.exited;
  const spent = cpuOf(pid) - before;
  const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
  const latency = (part: string) => toMs(new RegExp(`${part}%\\s+([\\d.]+)(us|ms|s)`).exec(text));
  return {
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0),
    p50: latency("50"),
    p99: latency("99"),
    cpuUs: spent / requests,
    errors: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
  };
}

function toMs(match: RegExpExecArray | null): number {
  const unit = { us: 0.001, ms: 1, s: 1000 }[match?.[2] ?? "ms"] ?? 1;
  return Number(match?.[1] ?? Number.NaN) * unit;
}

const ONE = join(work, "one.lua");
const RANDOM = join(work, "random.lua");
writeFileSync(ONE, "");
writeFileSync(
  RANDOM,
  `math.randomseed(os.time())
   request = function() return wrk.format("GET", string.format("/c%08d", math.random(1, ${links}))) end`,
);

const BASELINE = `Bun.serve, Map of ${links}`;
const product = await startDeadletter();
const contenders = [
  await startNginx(),
  await startStep("Bun.serve, constant", 0),
  await startStep(BASELINE, links),
  ...(await Promise.all(STEPS.slice(1).map((step) => startStep(`  + ${step}`, links, step)))),
  product.contender,
].filter((contender) => contender !== undefined);

report.print(`${links} links, ${connections} connections, medians of ${rounds} rounds of ${seconds} s\n`);
// Every link is in the cache before anything is measured.
const idleMb = rssOf(product.contender.pid);
await measure(product.contender, RANDOM, Math.max(10, Math.ceil(links / 12_000)));
for (const [title, script] of [
  ["one code", ONE],
  ["random codes", RANDOM],
] as const) {
  const results = new Map(contenders.map(({ name }) => [name, [] as Measured[]]));
  for (let round = 0; round < rounds; round++)
    for (const contender of contenders) results.get(contender.name)?.push(await measure(contender, script));
  const baseline = results.get(BASELINE) ?? [];
  const of = (list: readonly Measured[], field: keyof Measured) => median(list.map((one) => one[field]));
  report.print(`${title.padEnd(30)}    req/s   ratio   CPU us   ratio    more   p50 ms   p99 ms   ratio  errors`);
  let before = Number.NaN;
  for (const [name, list] of results) {
    const [rate, cpuUs, p99] = [of(list, "rate"), of(list, "cpuUs"), of(list, "p99")];
    report.print(
      [
        name.padEnd(30),
        rate.toFixed(0).padStart(8),
        (rate / of(baseline, "rate")).toFixed(2).padStart(7),
        cpuUs.toFixed(1).padStart(8),
        (of(baseline, "cpuUs") / cpuUs).toFixed(2).padStart(7),
        // Than the line above: what the step costs.
        (name.startsWith("  +") || name === product.contender.name ? (cpuUs - before).toFixed(1) : "").padStart(7),
        of(list, "p50").toFixed(2).padStart(8),
        p99.toFixed(2).padStart(8),
        (p99 / of(baseline, "p99")).toFixed(2).padStart(7),
        String(of(list, "errors")).padStart(7),
      ].join(" "),
    );
    before = cpuUs;
  }
  report.print();
}
report.print(
  `deadletter RSS: ${idleMb.toFixed(0)} MB idle, ${rssOf(product.contender.pid).toFixed(0)} MB with ${links} cached links`,
);
for (const child of children) child.kill(15);
await product.stop();
rmSync(work, { recursive: true, force: true });
report.save();
process.exit(0);
