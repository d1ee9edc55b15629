// What reading costs with few links and with many, on both engines: a redirect whose link is not in the cache, and the first
// page of the list against the same query with nothing around it. And how long a start takes with many links.
//
//   bun run build && bun bench/reads.ts [--links 1000000] [--rounds 5] [--calls 2000] [--data DIR]

import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Deadletter } from "../src/app/assemble.ts";
import { open } from "../src/app/open.ts";
import { loadConfig } from "../src/config/load.ts";
import type { Config } from "../src/config/settings.ts";
import { createAdmin } from "../src/operations/bootstrap.ts";
import { createLogger } from "../src/runtime/logger.ts";
import { listLinks } from "../src/store/queries/links.ts";
import { createStore, ENGINES } from "../test/support/harness.ts";
import { freePort, stopServer } from "../test/support/postgres.ts";
import { fillStore } from "./fill.ts";
import { median, openReport } from "./report.ts";

const report = openReport("reads");
const { values } = parseArgs({
  options: {
    links: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "5" },
    calls: { type: "string", default: "2000" },
    binary: { type: "string", default: "dist/deadletter" },
    /** One engine alone. */
    engine: { type: "string" },
    /** A data directory with these links, for the embedded store; filled where it has none. */
    data: { type: "string" },
  },
});
const [many, rounds, calls] = [values.links, values.rounds, values.calls].map(Number) as [number, number, number];
const FEW = 1_000;
const PAGE = 50;

/** Microseconds a call, one after the other. */
async function measure(call: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  for (let done = 0; done < calls; done++) await call();
  return ((performance.now() - startedMs) / calls) * 1_000;
}

async function waysOf(deadletter: Deadletter, links: number): Promise<Record<string, () => Promise<unknown>>> {
  const { core, redirects, api } = deadletter;
  const username = `bench-${Date.now().toString(36)}`;
  const admin = await createAdmin(core, deadletter.self, { username, email: `${username}@localhost` });
  const code = () => `c${String(1 + Math.floor(Math.random() * links)).padStart(8, "0")}`;
  const headers = { authorization: `Bearer ${admin.key.key}` };
  return {
    "redirect not in the cache": async () => {
      const one = code();
      redirects.cache.evict(one);
      const { outcome } = await redirects.resolver.resolve(one);
      if (outcome !== "found") throw new Error(`${one}: ${outcome}`);
    },
    "first page, bare query": () => core.store.read((sql) => listLinks(sql, { limit: PAGE + 1, offset: 0 })),
    "first page, GET /urls": async () => {
      const answer = await api.handle(new Request("http://localhost/urls", { headers }));
      if ((await answer.text()).length < PAGE * 100) throw new Error(`status ${answer.status}`);
    },
  };
}

async function openFilled(config: Config, links: number): Promise<Deadletter> {
  await fillStore(config, links);
  return open(config, { log: createLogger("error"), via: "bench" });
}

/** Milliseconds from the start of the process to its first answer. */
async function start(environment: Record<string, string>): Promise<number> {
  const port = await freePort();
  const startedMs = performance.now();
  const child = Bun.spawn([values.binary, "serve"], {
    env: { ...environment, PORT: String(port) },
    stdout: "ignore",
    stderr: "ignore",
  });
  while (!(await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.ok) await Bun.sleep(1);
  const tookMs = performance.now() - startedMs;
  child.kill("SIGTERM");
  await child.exited;
  return tookMs;
}

report.print(`us a call, medians of ${rounds} rounds of ${calls} calls, one after the other\n`);
for (const engine of ENGINES.filter((name) => values.engine === undefined || name === values.engine)) {
  const stores = await Promise.all([FEW, many].map(() => createStore(engine)));
  const configs = stores.map(({ config }) => config);
  if (engine === "sqlite" && values.data !== undefined)
    configs[1] = loadConfig({ DEADLETTER_DATA_DIR: values.data }).config;
  const results = new Map<string, number[][]>();
  const sizes = [FEW, many];
  const opened = [await openFilled(configs[0] as Config, FEW), await openFilled(configs[1] as Config, many)];
  // What is measured is deadletter, not the disk: the file is in memory, as the file of a small store is anyway.
  if (engine === "sqlite")
    for (const { dataDir } of configs) await Bun.file(join(dataDir, "deadletter.db")).arrayBuffer();
  const ways = await Promise.all(opened.map((deadletter, at) => waysOf(deadletter, sizes[at] as number)));
  for (let round = 0; round <= rounds; round++)
    for (const [at, each] of ways.entries())
      for (const [name, call] of Object.entries(each)) {
        const us = await measure(call);
        // The first round warms up.
        if (round > 0) ((results.get(name) ?? results.set(name, [[], []]).get(name)) as number[][])[at]?.push(us);
      }
  report.print(
    `${engine.padEnd(25)} ${`${FEW} links`.padStart(11)} ${`${many} links`.padStart(15)} ${"ratio".padStart(9)}`,
  );
  for (const [name, [few = [], lots = []]] of results)
    report.print(
      `${name.padEnd(28)} ${median(few).toFixed(0).padStart(8)} ${median(lots).toFixed(0).padStart(15)} ${(median(lots) / median(few)).toFixed(2).padStart(9)}`,
    );
  for (const deadletter of opened) await deadletter.close();
  const environments = configs.map((config, at) =>
    config === stores[at]?.config ? stores[at].environment : { DEADLETTER_DATA_DIR: config.dataDir },
  );
  const starts: number[][] = environments.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [at, environment] of environments.entries()) starts[at]?.push(await start(environment));
  report.print(
    `start to first 200, ms       ${starts.map((list) => median(list).toFixed(0).padStart(8)).join("        ")}\n`,
  );
  for (const store of stores) store.remove();
}
await stopServer();
report.save();
process.exit(0);
