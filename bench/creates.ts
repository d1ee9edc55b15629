// What a created link costs, on both engines: over HTTP, as an operation without HTTP, and the database's own floor (the
// same statements with nothing around them). Interleaved rounds in one run; read the ratios, the machine is noisy.
//
//   bun bench/creates.ts [--rounds 5] [--clients 32] [--seconds 2]

import { parseArgs } from "node:util";
import { applyOne } from "../src/operations/group.ts";
import { createStore, ENGINES, startServer, type TestServer } from "../test/support/harness.ts";
import { stopServer } from "../test/support/postgres.ts";
import { median, openReport } from "./report.ts";

const report = openReport("creates");
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    clients: { type: "string", default: "32" },
    seconds: { type: "string", default: "2" },
  },
});
const [rounds, clients, seconds] = [values.rounds, values.clients, values.seconds].map(Number) as [
  number,
  number,
  number,
];

/** Calls per second of `clients` callers that each wait for one answer before the next call. */
async function measure(call: () => Promise<unknown>): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let calls = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < end) {
        await call();
        calls += 1;
      }
    }),
  );
  return calls / seconds;
}

function waysOf(server: TestServer): Record<string, () => Promise<unknown>> {
  const { core, self } = server.deadletter;
  let drawn = 0;
  return {
    http: async () => {
      const { status } = await server.call("POST", "/urls", { original_url: "https://example.com/page" });
      if (status !== 201) throw new Error(`status ${status}`);
    },
    operation: () => applyOne(core, self, { type: "link.create", original_url: "https://example.com/page" }),
    floor: () =>
      core.store.begin(async (tx) => {
        await tx.drawIds({ table: "keys", type: "key" }, 1);
        const hash = crypto.getRandomValues(new Uint8Array(32));
        const text = "x".repeat(250);
        const id = 1_000_000 + ++drawn;
        await Promise.all([
          tx`insert into floor_events (hash, leaf, tag, actor, state) values (${hash}, ${hash}, ${hash}, ${text}, ${text})`,
          tx`insert into floor_queue (id) values (${id})`,
          tx`insert into floor_urls (id, code, url, head) values (${id}, ${String(id)}, ${text}, ${hash})`,
        ]);
      }),
  };
}

const FLOOR_TABLES = (bytes: string) => `
  create table floor_events (hash ${bytes} primary key, leaf ${bytes}, tag ${bytes}, actor text, state text);
  create table floor_queue (id integer primary key);
  create table floor_urls (id integer primary key, code text unique, url text, head ${bytes});`;

report.print(`${clients} clients, ${rounds} rounds of ${seconds} s, medians, created links a second`);
for (const engine of ENGINES) {
  const server = await startServer(await createStore(engine), { LOG_LEVEL: "error" });
  await server.deadletter.core.store.migrate((tx) => tx.script(FLOOR_TABLES(engine === "sqlite" ? "blob" : "bytea")));
  const ways = waysOf(server);
  const results: Record<string, number[]> = {};
  for (let round = 0; round <= rounds; round++) {
    for (const [name, call] of Object.entries(ways)) {
      const rate = await measure(call);
      // The first round warms up.
      if (round > 0) results[name] = [...(results[name] ?? []), rate];
    }
  }
  const floor = median(results.floor ?? []);
  for (const [name, rates] of Object.entries(results)) {
    const rate = median(rates);
    report.print(
      `${engine.padEnd(9)} ${name.padEnd(10)} ${Math.round(rate).toString().padStart(7)}/s  ${(rate / floor).toFixed(2)} of the floor`,
    );
  }
  await server.close();
  server.store.remove();
}
await stopServer();
report.save();
process.exit(0);
