// reindex: makes the tables that follow from the links anew, as verify asks for where one of them does not.

import { openStore, refuseMissingStore } from "../app/open-store.ts";
import { DeadletterError } from "../errors.ts";
import { forgetSideTables, readSideTableStandings, reindexAll } from "../operations/reindex.ts";
import { systemClock } from "../runtime/clock.ts";
import { schemaStatus } from "../store/migrate.ts";
import { type Command, refuseServer, STORE_SETTINGS } from "./command.ts";
import { print, progress } from "./output.ts";
import { plainTable } from "./table.ts";

export const reindexCommand: Command = {
  name: "reindex",
  summary: "Rebuild the tables derived from links. Audited data is not touched; redirects continue meanwhile.",
  args: [],
  flags: [{ name: "status", help: "only show each table's progress" }],
  settings: STORE_SETTINGS,
  examples: ["deadletter reindex --status", "deadletter reindex", "deadletter reindex --json"],
  async run(input, io) {
    refuseServer(input, "reindex");
    refuseMissingStore(input.config);
    const store = await openStore(input.config);
    try {
      if ((await schemaStatus(store)).pending.length > 0)
        throw new DeadletterError("unavailable", `the schema of ${store.place} is not up to date`, {
          hint: "run: deadletter migrate",
        });
      const isLookingOnly = input.isOn("status");
      let filled = 0;
      if (!isLookingOnly) {
        const meter = progress(io, "indexed");
        await forgetSideTables(store);
        const report = await reindexAll(store, systemClock, { onProgress: (done) => meter.update(done, done) });
        meter.end();
        filled = report.filled;
        if (report.state === "waiting")
          throw new DeadletterError(
            "conflict",
            "older releases may still write to this store, and would not keep the tables",
            {
              hint: "once all of them are stopped, run: deadletter migrate --finalize",
            },
          );
      }
      const tables = await readSideTableStandings(store);
      print(io, input, { filled, tables }, () => {
        const rows = tables.map(({ name, through_id, is_complete }) => [
          name,
          is_complete ? "complete" : `filled to ${through_id}`,
        ]);
        return `${plainTable(["TABLE", "STATE"], rows)}${isLookingOnly ? "" : `indexed ${filled}\n`}`;
      });
      return 0;
    } finally {
      await store.close();
    }
  },
};
