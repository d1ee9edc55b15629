// What the signed log costs and how fast it is, on both engines: sequencing, how long an event waits for the log under live
// writers, what that takes from the writers, and verifying everything. One run; read ratios, the machine is noisy.
//
//   bun bench/log.ts [--events 1000000] [--rounds 5] [--seconds 3] [--clients 32] [--engine sqlite]

import { parseArgs } from "node:util";
import type { Deadletter } from "../src/app/assemble.ts";
import { open } from "../src/app/open.ts";
import { verify } from "../src/audit/verify.ts";
import { applyOne } from "../src/operations/group.ts";
import { createLogger } from "../src/runtime/logger.ts";
import { createStore, ENGINES, type Engine } from "../test/support/harness.ts";
import { stopServer } from "../test/support/postgres.ts";
import { fillLinks } from "./fill.ts";
import { median, openReport } from "./report.ts";

const report = openReport("log");
const { values } = parseArgs({
  options: {
    events: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    clients: { type: "string", default: "32" },
    engine: { type: "string" },
  },
});
const [events, rounds, seconds, clients] = [values.events, values.rounds, values.seconds, values.clients].map(
  Number,
) as [number, number, number, number];

const percentile = (numbers: readonly number[], part: number) =>
  [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * part))] ?? 0;

/** Links a second that `clients` callers create, each waiting for one before the next. */
async function createLinks({ core, self }: Deadletter): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let created = 0;
  const call = async () => {
    while (performance.now() < end) {
      await applyOne(core, self, { type: "link.create", original_url: "https://example.com/page" });
      created += 1;
    }
  };
  await Promise.all(Array.from({ length: clients }, call));
  return created / seconds;
}

async function sequenceAll({ auditLog }: Deadletter): Promise<number> {
  const sequencer = auditLog.createSequencer();
  let leaves = 0;
  for (let isMore = true; isMore; ) {
    const batch = await sequencer.runBatch();
    leaves += batch.leaves;
    isMore = batch.isMore;
  }
  sequencer.flush();
  return leaves;
}

async function start(engine: Engine) {
  const store = await createStore(engine);
  const { environment } = store;
  const { loadConfig } = await import("../src/config/load.ts");
  const config = loadConfig({ ...environment, DEADLETTER_POOL_SIZE: "10" }).config;
  return { store, deadletter: await open(config, { log: createLogger("error"), via: "bench" }) };
}

async function benchSequencing(engine: Engine): Promise<void> {
  const { store, deadletter } = await start(engine);
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await fillLinks(deadletter, 20_000, 1 + round * 20_000);
    const startMs = performance.now();
    const leaves = await sequenceAll(deadletter);
    rates.push((leaves / (performance.now() - startMs)) * 1000);
  }
  report.print(`${engine}  sequenced events/s, no other load        ${median(rates).toFixed(0)}`);
  await deadletter.close();
  store.remove();
}

async function benchWriters(engine: Engine): Promise<void> {
  const rates = { without: [] as number[], with: [] as number[] };
  const waits: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    for (const mode of ["without", "with"] as const) {
      const { store, deadletter } = await start(engine);
      const committed = new Map<string, number>();
      if (mode === "with") {
        await deadletter.start();
        const { auditLog } = deadletter;
        const note = auditLog.committed;
        auditLog.committed = (changes) => {
          note(changes);
          for (const { leafHash } of changes) committed.set(Buffer.from(leafHash).toString("hex"), performance.now());
        };
        auditLog.feed.follow({
          onEntries(entries) {
            for (const { leaf_hash } of entries) {
              const since = committed.get(Buffer.from(leaf_hash).toString("hex"));
              if (since !== undefined && round > 0) waits.push(performance.now() - since);
            }
          },
        });
      }
      const rate = await createLinks(deadletter);
      if (round > 0) rates[mode].push(rate);
      if (mode === "with") await Bun.sleep(500);
      await deadletter.close();
      store.remove();
    }
  }
  const [without, withLog] = [median(rates.without), median(rates.with)];
  report.print(`${engine}  created links/s, nothing sequences        ${without.toFixed(0)}`);
  report.print(
    `${engine}  created links/s, log sequenced beside     ${withLog.toFixed(0)}  (${(withLog / without).toFixed(2)})`,
  );
  report.print(
    `${engine}  ms from commit to known follower          p50 ${percentile(waits, 0.5).toFixed(0)}, p99 ${percentile(waits, 0.99).toFixed(0)}, max ${Math.max(...waits.map((ms) => Math.round(ms)).slice(0, 100_000)).toFixed(0)}`,
  );
}

async function benchVerify(engine: Engine): Promise<void> {
  const { store, deadletter } = await start(engine);
  const filling = performance.now();
  await fillLinks(deadletter, events);
  await sequenceAll(deadletter);
  console.error(`${engine}  filled in ${((performance.now() - filling) / 1000).toFixed(0)} s`);
  const startMs = performance.now();
  const { isTrue } = await verify(deadletter.core.store, deadletter.core.logKey, { onFinding: console.error });
  const tookMs = performance.now() - startMs;
  report.print(
    `${engine}  verify of ${events} events, s                ${(tookMs / 1000).toFixed(1)}  (${((events / tookMs) * 1000).toFixed(0)} events/s, ${isTrue})`,
  );
  await deadletter.close();
  store.remove();
}

report.print(`medians of ${rounds} rounds; ${clients} writers, ${seconds} s a round`);
for (const engine of ENGINES.filter((name) => values.engine === undefined || name === values.engine)) {
  if (rounds > 0) {
    await benchSequencing(engine);
    await benchWriters(engine);
  }
  if (events > 0) await benchVerify(engine);
}
await stopServer();
report.save();
