// Where the time of a created link goes: the cost of each step in us, then of the whole operation without HTTP, first alone and
// then with the sequencer and the caches running. bench/writes.ts measures the same over HTTP.
//
//   bun bench/write-steps.ts [--clients 64] [--seconds 2]

import { parseArgs } from "node:util";
import { contradictionsOf, digestOf, disclose, hashLeaf, openEvent, sealEvent, tagOf } from "../src/audit/event.ts";
import { createLogKey } from "../src/audit/log-key.ts";
import type { Caller } from "../src/model/caller.ts";
import { checkCommand, decide } from "../src/model/command.ts";
import type { LinkRow } from "../src/model/link.ts";
import { DEFAULT_OPTIONS } from "../src/model/link-options.ts";
import { LINK_HOSTS } from "../src/model/link-sides.ts";
import { LINK } from "../src/model/link-subject.ts";
import { stateFromRow } from "../src/model/subject.ts";
import { applyOne } from "../src/operations/group.ts";
import { systemRandom } from "../src/runtime/random.ts";
import { createStore, ENGINES, startServer } from "../test/support/harness.ts";
import { stopServer } from "../test/support/postgres.ts";
import { median, openReport } from "./report.ts";

const report = openReport("write-steps");
const { values } = parseArgs({
  options: { clients: { type: "string", default: "64" }, seconds: { type: "string", default: "2" } },
});
const [clients, seconds] = [Number(values.clients), Number(values.seconds)];

const key = createLogKey("bench.example/log", new Uint8Array(32).fill(7));
const row: LinkRow = {
  id: 42,
  short_code: "abcdef",
  original_url: "https://example.com/page/123",
  title: "",
  is_active: 1,
  expires_at_ms: null,
  user_id: 1,
  created_at_ms: 1_764_021_418_000,
  updated_at_ms: 1_764_021_418_000,
  version: 1,
  ...DEFAULT_OPTIONS,
};
const caller: Caller = { userId: 1, keyId: 1, role: "admin", via: "http", requestId: crypto.randomUUID() };
const command = { type: "link.create", original_url: row.original_url } as const;
const ownHosts = new Set(["localhost:5000"]);
const actor = { user_id: 1, key_id: 1, via: "http", request_id: caller.requestId, reason: null };
const newEvent = () => ({
  subjectType: "url",
  subjectId: 42,
  version: 1,
  op: "created" as const,
  atMs: row.created_at_ms + Math.floor(Math.random() * 1_000_000),
  previousHash: null,
  actor,
  state: stateFromRow(LINK, row),
});
const sealed = { ...sealEvent(key, newEvent(), systemRandom), id: 1 };
const known = { find: () => undefined, all: () => [] };
const context = {
  caller,
  isKeyLive: true,
  heldBy: () => undefined,
  nowMs: 1,
  generation: 2,
  ownHosts,
  drawn: { id: 1, text: "abcdef" },
  known,
};

const STEPS: Readonly<Record<string, () => unknown>> = {
  "check the command": () => checkCommand(command, caller, ownHosts),
  "draw the code": () => LINK.draw(command, systemRandom),
  decide: () => decide(null, command, context),
  "the row's state": () => stateFromRow(LINK, row),
  "a disclosure": () => disclose("actor", actor, systemRandom(16)),
  "its digest": () => digestOf(sealed.state ?? ""),
  "leaf hash": () => hashLeaf(sealed.leaf),
  "admission tag": () => tagOf(key, sealed.leaf_hash),
  "seal the event (all of these)": () => sealEvent(key, newEvent(), systemRandom),
  "the link's host": () => LINK_HOSTS.rowsOf(row),
  "sequencer: hold it against itself": () => contradictionsOf(key, openEvent(sealed), null),
};

const ROUNDS = 5;
const CALLS = 20_000;

function usOf(step: () => unknown): number {
  const rounds = Array.from({ length: ROUNDS + 1 }, () => {
    const before = performance.now();
    for (let call = 0; call < CALLS; call++) step();
    return ((performance.now() - before) / CALLS) * 1000;
  });
  return median(rounds.slice(1));
}

for (const [name, step] of Object.entries(STEPS))
  report.print(`${name.padEnd(40)} ${usOf(step).toFixed(2).padStart(8)} us`);

for (const engine of ENGINES) {
  for (const isServed of [false, true]) {
    const server = await startServer(await createStore(engine), { LOG_LEVEL: "error" });
    if (isServed) await server.deadletter.start();
    const { core, self } = server.deadletter;
    const rates: number[] = [];
    for (let round = 0; round < 3; round++) {
      const until = performance.now() + seconds * 1000;
      let calls = 0;
      const client = async () => {
        while (performance.now() < until) {
          await applyOne(core, self, { ...command });
          calls += 1;
        }
      };
      await Promise.all(Array.from({ length: clients }, client));
      rates.push(calls / seconds);
    }
    const us = 1_000_000 / median(rates);
    const name = `${engine}: the operation, ${isServed ? "log and caches on" : "nothing else on"}`;
    report.print(
      `${name.padEnd(60)} ${us.toFixed(0).padStart(5)} us, ${median(rates).toFixed(0)}/s at ${clients} clients`,
    );
    await server.close();
    server.store.remove();
  }
}
await stopServer();
report.save();
process.exit(0);
