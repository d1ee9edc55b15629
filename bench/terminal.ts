// Commands at a million links: how soon `list --all` prints its first line into a pipe and how much memory it takes, `show` and
// `history` of a link with ten thousand events, how long the start of small commands takes, and how soon the admin screen is there
// and answers a key. Of the executable: bun run build first.
//
//   bun bench/terminal.ts [--links 1000000] [--events 10000]

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Served, startServe } from "../test/support/process.ts";
import { rssMb } from "./beside.ts";
import { openReport } from "./report.ts";

const report = openReport("terminal");
const { values } = parseArgs({
  options: { links: { type: "string", default: "1000000" }, events: { type: "string", default: "10000" } },
});
const [links, events] = [Number(values.links), Number(values.events)];
const BINARY = join(import.meta.dir, "../dist/deadletter");
const KEY = `dl_${"e".repeat(43)}`;
const ROUNDS = 21;
const work = mkdtempSync(join(tmpdir(), "deadletter-terminal-"));
const store = { HOME: work, DEADLETTER_DATA_DIR: join(work, "data"), LOG_LEVEL: "error" };

const served = await startServe({ ...store, PORT: "0", DEADLETTER_ADMIN_KEY: KEY }, [], [BINARY]);
await fill(served);
const remote = { HOME: work, DEADLETTER_SERVER: served.url, DEADLETTER_KEY: KEY };

for (const [door, environment] of [
  ["over HTTP", remote],
  ["on the store itself", store],
] as const) {
  for (const words of [
    ["list", "--all"],
    ["list", "--all", "--json"],
    ["list", "--all", "--ndjson"],
    ["show", "busy"],
    ["history", "busy", "--all"],
  ]) {
    const { firstMs, allMs, lines, peakMb } = await pipe(words, environment);
    report.print(
      `${words.join(" ")}, ${door}: first line after ${firstMs.toFixed(0)} ms, ${lines} lines in ${(allMs / 1000).toFixed(1)} s, at most ${peakMb.toFixed(0)} MB`,
    );
  }
}
for (const words of [["version"], ["list", "--json"], ["complete", "--", "show", "e1"]])
  report.print(`${words.join(" ")}: ${(await startMs(words)).toFixed(0)} ms from start to end, median of ${ROUNDS}`);
const screen = await openAdmin();
report.print(
  `admin: first frame with rows after ${screen.firstMs.toFixed(0)} ms; a key is answered in ${screen.keyMs.toFixed(1)} ms, median of ${ROUNDS}`,
);

served.child.kill("SIGTERM");
await served.child.exited;
rmSync(work, { recursive: true, force: true });
report.save();

async function fill({ url }: Served): Promise<void> {
  for (let from = 0; from < links; from += 50_000)
    await bulk(
      url,
      Array.from(
        { length: Math.min(50_000, links - from) },
        (_, at) =>
          `{"original_url":"https://example.com/page/${from + at}?q=x","short_code":"e${from + at}x","title":"title ${at}"}\n`,
      ),
    );
  await bulk(url, ['{"original_url":"https://example.com/","short_code":"busy"}\n']);
  for (let from = 1; from < events; from += 1_000)
    await bulk(
      url,
      Array.from(
        { length: Math.min(1_000, events - from) },
        (_, at) => `{"command":"update","link":"busy","title":"version ${from + at}"}\n`,
      ),
    );
}

async function bulk(url: string, rows: readonly string[]): Promise<void> {
  const answer = await fetch(`${url}/urls/bulk`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/x-ndjson" },
    body: rows.join(""),
  });
  const failed = (await answer.text()).split("\n").filter((line) => line.includes('"error"'));
  if (failed.length > 0) throw new Error(failed[0]);
}

async function pipe(words: readonly string[], environment: Record<string, string>) {
  const began = performance.now();
  const child = Bun.spawn([BINARY, ...words], { env: environment, stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  let [firstMs, lines, peakMb] = [0, 0, 0];
  const watch = setInterval(() => {
    peakMb = Math.max(peakMb, rssMb(child.pid));
  }, 10);
  for await (const chunk of child.stdout) {
    if (firstMs === 0) firstMs = performance.now() - began;
    for (const byte of chunk) if (byte === 10) lines += 1;
  }
  clearInterval(watch);
  if ((await child.exited) !== 0) throw new Error(`${words.join(" ")} failed`);
  return { firstMs, allMs: performance.now() - began, lines, peakMb };
}

async function startMs(words: readonly string[]): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    const child = Bun.spawn([BINARY, ...words], { env: remote, stdin: "ignore", stdout: "ignore", stderr: "inherit" });
    await child.exited;
    times.push(performance.now() - began);
  }
  return median(times);
}

/** In a terminal of 120 by 40: from its start to its first rows, and from a key to what it writes for it. */
async function openAdmin(): Promise<{ firstMs: number; keyMs: number }> {
  let [text, written] = ["", 0];
  const began = performance.now();
  const child = Bun.spawn([BINARY, "admin"], {
    env: { ...remote, TERM: "xterm-256color" },
    terminal: {
      cols: 120,
      rows: 40,
      data: (_, chunk) => {
        text += new TextDecoder().decode(chunk);
        written = performance.now();
      },
    },
  });
  while (!Bun.stripANSI(text).includes("example.com/")) await Bun.sleep(1);
  const firstMs = written - began;
  await Bun.sleep(500);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const pressed = performance.now();
    written = 0;
    child.terminal?.write("j");
    while (written === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    times.push(written - pressed);
    await Bun.sleep(30);
  }
  child.terminal?.write("q");
  await child.exited;
  return { firstMs, keyMs: median(times) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
