// What writes cost against what the databases can do: creates, changes, deletes, bulk and import, over HTTP on both engines, each
// beside its floor in the same rounds. Floors: pgbench with the same rows, indexes and keys, one transaction each; a prepared
// statement in groups of 64 and alone on SQLite; rows of many in the store's own schema for bulk.
//
//   bun bench/writes.ts [--rounds 5] [--seconds 3] [--rows 200000] [--only sqlite,postgres]
//
// wrk makes the load; wrk and pgbench (with the server of PostgreSQL 15) come from apt-get install wrk postgresql-15. What is
// missing is said, and left out.

import { Database } from "bun:sqlite";
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createLogKey, encodeLogKey } from "../src/audit/log-key.ts";
import { freePort } from "../test/support/postgres.ts";
import { runDeadletter, spawnDeadletter, startServe } from "../test/support/process.ts";
import { PostgresFloor, SqliteFloor } from "./floors.ts";
import { median, openReport } from "./report.ts";

const report = openReport("writes");
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    rows: { type: "string", default: "200000" },
    only: { type: "string", default: "sqlite,postgres" },
    binary: { type: "string", default: "dist/deadletter" },
  },
});
const binary = resolve(values.binary);
const [rounds, seconds, rows] = [values.rounds, values.seconds, values.rows].map(Number) as [number, number, number];
const wrk = Bun.which("wrk");
const missing = [
  ...(wrk === null ? ["wrk is missing (apt-get install wrk): nothing over HTTP is measured"] : []),
  ...(PostgresFloor.isThere()
    ? []
    : ["PostgreSQL 15 is missing (apt-get install postgresql-15): PostgreSQL is left out"]),
];
const work = mkdtempSync(join(tmpdir(), "deadletter-writes-"));
const KEY = `dl_${randomBytes(32).toString("base64url")}`;
const LOG_KEY = encodeLogKey(createLogKey("bench.example/log", new Uint8Array(32).fill(7)));

type Served = Awaited<ReturnType<typeof startServe>>;

/** Requests of a kind, the next of which goes on where the last ended. */
const LUA = {
  create: `return wrk.format("POST", "/urls", nil, '{"original_url":"https://example.com/page/' .. math.random(1000000) .. '"}')`,
  update: `return wrk.format("PATCH", "/urls/w" .. math.random(0, LINKS - 1) .. "x", nil, '{"title":"' .. math.random(1000000) .. '"}')`,
  delete: `next = next + 1; return wrk.format("DELETE", "/urls/w" .. next .. "x", nil, '{"reason":"duplicate"}')`,
};
type Kind = keyof typeof LUA;
let deleted = -1;

function load({ url, child }: Served, kind: Kind, connections: number) {
  const script = join(work, `${kind}.lua`);
  const head = `wrk.headers["Authorization"] = "Bearer ${KEY}"; wrk.headers["Content-Type"] = "application/json"
    local LINKS, next = ${rows}, ${deleted}; math.randomseed(os.time())`;
  writeFileSync(script, `${head}\nrequest = function() ${LUA[kind]} end`);
  const before = cpuUs(child.pid);
  const flags = ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency", "-s", script, `${url}/`];
  const text = Bun.spawnSync([wrk ?? "", ...flags], { stderr: "ignore" }).stdout.toString();
  const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
  // More are on their way than were answered.
  if (kind === "delete") deleted += requests + connections;
  const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  if (failed > requests / 100) report.print(`${kind}: ${failed} of ${requests} failed`);
  return { rate: requests / seconds, us: (cpuUs(child.pid) - before) / requests };
}

/** User and system time of all threads, in microseconds (proc(5); 100 ticks a second). */
function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** 0 for a process that is gone. */
function rssKb(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

interface Contest {
  readonly name: string;
  readonly ours: () => { readonly rate: number; readonly us: number };
  /** Writes a second. */
  readonly floor: () => number;
}

function contend(contests: readonly Contest[]): void {
  for (const { name, ours, floor } of contests) {
    ours();
    const found = Array.from({ length: rounds }, () => ({ ...ours(), floor: floor() }));
    const of = (field: "rate" | "us" | "floor") => median(found.map((one) => one[field]));
    const ratio = median(found.map((one) => one.rate / one.floor));
    report.print(
      `${name.padEnd(44)} ${of("rate").toFixed(0).padStart(7)}/s ${of("us").toFixed(0).padStart(5)} us CPU   floor ${of("floor").toFixed(0).padStart(7)}/s   ratio ${ratio.toFixed(2)}`,
    );
  }
}

/** Makes `rows` links through /urls/bulk, called w0x and so on; how long until the last of them is in the log. */
async function bulk({ url, child }: Served, label: string, floor: () => number): Promise<void> {
  const file = join(work, "rows.ndjson");
  const writer = Bun.file(file).writer();
  for (let at = 0; at < rows; at++)
    await writer.write(`{"original_url":"https://example.com/page/${at}","short_code":"w${at}x"}\n`);
  await writer.end();
  const headers = { authorization: `Bearer ${KEY}` };
  let peakKb = 0;
  const watch = setInterval(() => {
    peakKb = Math.max(peakKb, rssKb(child.pid));
  }, 100);
  const before = performance.now();
  const answer = await fetch(`${url}/urls/bulk`, {
    method: "POST",
    body: Bun.file(file).stream(),
    headers: { ...headers, "content-type": "application/x-ndjson" },
  });
  let answered = 0;
  for await (const chunk of answer.body ?? []) for (const byte of chunk) if (byte === 10) answered += 1;
  const answeredS = (performance.now() - before) / 1000;
  for (;;) {
    const status = (await (await fetch(`${url}/log/status`, { headers })).json()) as { backlog: number };
    if (status.backlog === 0) break;
    await Bun.sleep(50);
  }
  const loggedS = (performance.now() - before) / 1000;
  clearInterval(watch);
  const [rate, most] = [answered / answeredS, floor()];
  report.print(
    `${label.padEnd(44)} ${rate.toFixed(0).padStart(7)}/s (${answered} rows, ${loggedS.toFixed(1)} s until all are in the log, peak ${(peakKb / 1024).toFixed(0)} MB)   floor ${most.toFixed(0)}/s   ratio ${(rate / most).toFixed(2)}`,
  );
}

async function importRows(environment: Record<string, string>, label: string): Promise<void> {
  const files = { users: join(work, "users.csv"), urls: join(work, "urls.csv"), events: join(work, "events.csv") };
  writeFileSync(files.users, "id,username,email,created_at\n1,ada,ada@example.com,2025-11-02 16:29:04\n");
  const [urls, events] = [Bun.file(files.urls).writer(), Bun.file(files.events).writer()];
  await urls.write("id,user_id,short_code,original_url,title,is_active,created_at,updated_at\n");
  await events.write("id,url_id,user_id,event_type,timestamp,details\n");
  for (let id = 1; id <= rows; id++) {
    await urls.write(`${id},1,i${id}x,https://example.com/page/${id},t,True,2025-06-09 11:24:49,2025-07-15 11:30:38\n`);
    await events.write(`${id},${id},1,created,2025-06-09 11:24:49,"{""short_code"":""i${id}x""}"\n`);
  }
  await Promise.all([urls.end(), events.end()]);
  const flags = Object.entries(files).flatMap(([name, path]) => [`--${name}`, path]);
  const before = performance.now();
  const child = spawnDeadletter(["import", ...flags], environment, [binary]);
  let peakKb = 0;
  const watch = setInterval(() => {
    peakKb = Math.max(peakKb, rssKb(child.pid));
  }, 20);
  const [said] = await Promise.all([
    new Response(child.stderr).text(),
    new Response(child.stdout).text(),
    child.exited,
  ]);
  clearInterval(watch);
  const took = ((performance.now() - before) / 1000).toFixed(1);
  if (child.exitCode !== 0) throw new Error(said.slice(-1_000));
  report.print(`${label.padEnd(44)} ${rows} links and events in ${took} s, peak ${(peakKb / 1024).toFixed(0)} MB`);
}

async function serve(environment: Record<string, string>): Promise<Served> {
  const served = await startServe({ ...environment, PORT: "0", DEADLETTER_ADMIN_KEY: KEY }, [], [binary]);
  // Also where something is thrown meanwhile.
  process.once("exit", () => served.child.kill());
  return served;
}

async function stop({ child }: Served): Promise<void> {
  child.kill("SIGTERM");
  await child.exited;
}

async function onSqlite(): Promise<void> {
  const environment = { DEADLETTER_DATA_DIR: join(work, "sqlite"), HOST: "127.0.0.1" };
  await runDeadletter(["migrate"], environment);
  const empty = join(work, "empty.db");
  copyFileSync(join(work, "sqlite/deadletter.db"), empty);
  const floor = (kind: Kind, group: number) => () => new SqliteFloor(empty, work).run(kind, group, seconds);
  const served = await serve(environment);
  await bulk(served, "bulk, SQLite", floor("create", 250));
  if (wrk !== null) {
    const of = (kind: Kind, clients: number) => ({
      name: `${kind}, SQLite, ${clients} clients`,
      ours: () => load(served, kind, clients),
      floor: floor(kind, clients),
    });
    contend((["create", "update", "delete"] as const).flatMap((kind) => [of(kind, 64), of(kind, 1)]));
  }
  await stop(served);
  const file = join(work, "sqlite/deadletter.db");
  const database = new Database(file, { readonly: true });
  const events = database.query<{ n: number }, []>("select count(*) as n from events").get()?.n ?? 1;
  database.close();
  report.print(`store, SQLite: ${(statSync(file).size / events).toFixed(0)} bytes an event`);
  await importRows({ DEADLETTER_DATA_DIR: join(work, "imported") }, "import, SQLite");
}

async function onPostgres(): Promise<void> {
  const floor = await PostgresFloor.start(work, await freePort());
  const environment = {
    DATABASE_URL: await floor.createDatabase("ours"),
    DEADLETTER_DATA_DIR: join(work, "postgres"),
    DEADLETTER_LOG_KEY: LOG_KEY,
    DEADLETTER_MIGRATE: "true",
    HOST: "127.0.0.1",
  };
  const served = await serve(environment);
  await bulk(served, "bulk, PostgreSQL", await floor.prepareMany(seconds));
  if (wrk !== null) {
    const of = (kind: Kind, clients: number) => ({
      name: `${kind}, PostgreSQL, ${clients} clients`,
      ours: () => load(served, kind, clients),
      floor: () => floor.pgbench(kind, clients, seconds),
    });
    contend((["create", "update", "delete"] as const).flatMap((kind) => [of(kind, 32), of(kind, 1)]));
  }
  await stop(served);
  const own = {
    DATABASE_URL: await floor.createDatabase("imported"),
    DEADLETTER_DATA_DIR: join(work, "postgres-imported"),
  };
  const imported = { ...environment, ...own };
  await importRows(imported, "import, PostgreSQL");
  await floor.remove();
}

for (const line of missing) report.print(line);
report.print(`${rounds} rounds of ${seconds} s, medians; ${rows} rows in bulk; PostgreSQL ${PostgresFloor.version()}`);
const only = values.only.split(",");
if (only.includes("sqlite")) await onSqlite();
if (only.includes("postgres") && PostgresFloor.isThere()) await onPostgres();
report.save();
rmSync(work, { recursive: true, force: true });
process.exit(0);
