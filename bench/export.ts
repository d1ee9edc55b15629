// An export of a million links: how soon its first byte comes, how long it takes, how much memory the server has meanwhile; and
// whether what is imported from it into an empty store is the same, by the hash of its lines.
//
//   bun bench/export.ts [--links 1000000] [--only sqlite,postgres]

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stopServer } from "../test/support/postgres.ts";
import { runDeadletter, type Served, startServe } from "../test/support/process.ts";
import { rssMb } from "./beside.ts";
import { environmentFor } from "./environment.ts";
import { openReport } from "./report.ts";

const report = openReport("export");
const { values } = parseArgs({
  options: { links: { type: "string", default: "1000000" }, only: { type: "string", default: "sqlite,postgres" } },
});
const links = Number(values.links);
const KEY = `dl_${"e".repeat(43)}`;
const headers = { authorization: `Bearer ${KEY}` };
/** Ids, versions and owners are a store's own. */
const SAME = ["short_code", "original_url", "title", "is_active", "tags", "status", "max_age", "forward", "query_wins"];
const TIMES = ["starts_at", "expires_at", "created_at", "updated_at"];

for (const engine of values.only.split(",")) await measure(engine);
await stopServer();
report.save();

async function measure(engine: string): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), "deadletter-export-"));
  const environmentOf = (name: string) => environmentFor(engine, join(work, name), KEY);
  const from = await environmentOf("from");
  let served = await startServe(from);
  await fill(served);
  await stop(served);
  // What was needed to make them is not the export's.
  served = await startServe(from);
  const file = join(work, "links.csv");
  const made = await exportTo(served, "csv", file);
  await stop(served);
  report.print(
    `${engine}: ${links} links as CSV: first byte after ${made.firstMs.toFixed(0)} ms, all in ${(made.allMs / 1000).toFixed(1)} s, ${made.mb.toFixed(0)} MB written, server at most ${made.peakMb.toFixed(0)} MB`,
  );
  const to = await environmentOf("to");
  // A first start makes an admin of it, which an import has no need of.
  const { DEADLETTER_ADMIN_KEY: _, ...withoutKey } = to;
  const began = performance.now();
  const imported = await runDeadletter(["import", "links", file, "--json"], withoutKey);
  if (imported.stdout === "") throw new Error(imported.stderr);
  const { refused } = JSON.parse(imported.stdout) as { refused: number };
  const importS = (performance.now() - began) / 1000;
  const hashes: string[] = [];
  for (const environment of [from, to]) {
    const each = await startServe(environment);
    hashes.push(await hashOf(each));
    await stop(each);
  }
  report.print(
    `${engine}: imported into an empty store in ${importS.toFixed(1)} s, ${refused} refused; the same links: ${hashes[0] === hashes[1]} (${hashes[0]?.slice(0, 16)})`,
  );
  rmSync(work, { recursive: true, force: true });
}

async function fill({ url }: Served): Promise<void> {
  for (let from = 0; from < links; from += 50_000) {
    const rows = Array.from({ length: Math.min(50_000, links - from) }, (_, at) => {
      const tags = at % 3 === 0 ? ',"tags":["spring","n"]' : "";
      return `{"original_url":"https://example.com/page/${from + at}?q=x","short_code":"e${from + at}x","title":"=title, \\"${at}\\" ü"${tags}}\n`;
    });
    const answer = await fetch(`${url}/urls/bulk`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/x-ndjson" },
      body: rows.join(""),
    });
    const failed = (await answer.text()).split("\n").filter((line) => line.includes('"error"'));
    if (failed.length > 0) throw new Error(failed[0]);
  }
}

async function exportTo({ url, child }: Served, format: string, file: string) {
  let [peakMb, bytes, firstMs] = [0, 0, 0];
  const watch = setInterval(() => {
    peakMb = Math.max(peakMb, rssMb(child.pid));
  }, 50);
  const began = performance.now();
  const answer = await fetch(`${url}/api/export/links?format=${format}`, { headers });
  const out = Bun.file(file).writer();
  for await (const chunk of answer.body as ReadableStream<Uint8Array>) {
    if (bytes === 0) firstMs = performance.now() - began;
    bytes += chunk.length;
    await out.write(chunk);
  }
  await out.end();
  clearInterval(watch);
  return { firstMs, allMs: performance.now() - began, mb: bytes / 2 ** 20, peakMb };
}

/** The sum of the hashes of all links: ids, which give the order, are drawn anew there. */
async function hashOf({ url }: Served): Promise<string> {
  let sum = 0n;
  const answer = await fetch(`${url}/api/export/links`, { headers });
  const decoder = new TextDecoder();
  let begun = "";
  for await (const chunk of answer.body as ReadableStream<Uint8Array>) {
    const lines = (begun + decoder.decode(chunk, { stream: true })).split("\n");
    begun = lines.pop() ?? "";
    for (const line of lines) {
      const link = JSON.parse(line);
      const text = JSON.stringify([...SAME, ...TIMES].map((name) => link[name]));
      sum = BigInt.asUintN(256, sum + BigInt(`0x${Bun.SHA256.hash(text, "hex")}`));
    }
  }
  return sum.toString(16).padStart(64, "0");
}

async function stop({ child }: Served): Promise<void> {
  child.kill("SIGTERM");
  await child.exited;
}
