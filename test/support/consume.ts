// A process that follows the log durably until it is killed, and writes down what it was given: a line an entry.
//
//   bun test/support/consume.ts FILE

import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { open } from "../../src/app/open.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createLogger } from "../../src/runtime/logger.ts";

const { config } = loadConfig(process.env);
const deadletter = await open(config, {
  log: createLogger("error"),
  via: "test",
  // Another process sequences and keeps what a host needs once.
  seat: { isLeader: false, refusal: null, collect: () => Promise.reject(new Error("there are no others")) },
  consumers: [
    {
      name: "test",
      leaseMs: 60,
      async take(entries, epoch) {
        const file = openSync(process.argv[2] ?? "", "a");
        // A line that a kill has cut short must not swallow the next one.
        writeSync(file, "\n");
        for (const { idx, leaf_hash } of entries)
          writeSync(file, `${epoch} ${idx} ${Buffer.from(leaf_hash).toString("base64url")}\n`);
        fsyncSync(file);
        closeSync(file);
        // Killed now, it is given the same again.
        await Bun.sleep(Math.random() * 20);
      },
    },
  ],
});
await deadletter.start();
console.log("follows");
