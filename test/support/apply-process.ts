// A process that applies batches of commands one after the other and says so after each, to be killed in the middle of it.
//
//   bun test/support/apply-process.ts BATCHES-AS-JSON     (the store from the environment)

import { open } from "../../src/app/open.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Command } from "../../src/model/command.ts";
import { apply } from "../../src/operations/apply.ts";
import { createLogger } from "../../src/runtime/logger.ts";

const batches = JSON.parse(process.argv[2] ?? "[]") as Command[][];
const { config } = loadConfig(process.env);
const { core, self } = await open(config, { log: createLogger("silent"), via: "test" });
process.stdout.write("ready\n");
for (const batch of batches) {
  const outcome = await apply(core, self, batch).then(
    () => "applied",
    () => "refused",
  );
  process.stdout.write(`${outcome}\n`);
}
process.exit(0);
