// migrate: brings a schema up to this binary's, or only shows what that would take; and ends what older releases may do.

import { openStore, refuseMissingStore } from "../app/open-store.ts";
import { badRequest } from "../errors.ts";
import { reindexAll } from "../operations/reindex.ts";
import { systemClock } from "../runtime/clock.ts";
import { finalize, GENERATION, readStoreGeneration } from "../store/generation.ts";
import { migrate, schemaStatus } from "../store/migrate.ts";
import type { Store } from "../store/store.ts";
import { type Command, type Io, STORE_SETTINGS } from "./command.ts";
import { print, progress } from "./output.ts";
import { refuseProfile } from "./profiles.ts";
import { plainTable } from "./table.ts";

export const migrateCommand: Command = {
  name: "migrate",
  summary: "Update the store's schema to this binary's. Safe to repeat, and to run from many hosts at once.",
  args: [],
  flags: [
    { name: "status", help: "only show what is applied and what is pending" },
    { name: "dry-run", help: "the same: show what would be applied, and apply nothing" },
    {
      name: "finalize",
      help: "once every older release is stopped: refuse their writes for good and enable this release's new fields",
    },
  ],
  settings: [...STORE_SETTINGS, "waitForDatabase"],
  examples: [
    "deadletter migrate --status",
    "DATABASE_URL=postgres://deadletter@db/deadletter deadletter migrate",
    "DATABASE_URL=postgres://deadletter@db/deadletter deadletter migrate --finalize",
  ],
  async run(input, io) {
    const isLookingOnly = input.isOn("status") || input.isOn("dry-run");
    if (isLookingOnly && input.isOn("finalize"))
      throw badRequest("--finalize changes the store, and so goes with neither --status nor --dry-run");
    if (isLookingOnly) refuseMissingStore(input.config);
    else refuseProfile(input, "migrate", io.environment);
    const store = await openStore(input.config);
    try {
      const before = await schemaStatus(store);
      const applied = isLookingOnly ? [] : await migrate(store, { nowMs: systemClock.now() });
      const indexed = input.isOn("finalize") ? await finalizeAndFill(store, io) : undefined;
      const { applied: known, pending } = isLookingOnly ? before : await schemaStatus(store);
      const rows = [
        ...known.map((row) => [String(row.version), row.name, `applied ${new Date(row.applied_at_ms).toISOString()}`]),
        ...pending.map((migration) => [String(migration.version), migration.name, "pending"]),
      ];
      const generation = await readStoreGeneration(store);
      const report = {
        applied_now: applied.map(({ version, name }) => ({ version, name })),
        applied: known,
        pending: pending.map(({ version, name }) => ({ version, name })),
        /** Of the earliest release that may write, and of this one. */
        generation: { least: generation, own: GENERATION },
      };
      print(io, input, report, () => {
        const summary = isLookingOnly
          ? `${pending.length} pending`
          : applied.length === 0
            ? "nothing to do"
            : `applied ${applied.length}`;
        return `${plainTable(["VERSION", "NAME", "STATE"], rows)}${summary}\n${describeWriters(generation, indexed)}`;
      });
      return 0;
    } finally {
      await store.close();
    }
  },
};

/** How many subjects the side tables were filled with. */
async function finalizeAndFill(store: Store, io: Io): Promise<number> {
  await finalize(store);
  const meter = progress(io, "indexed");
  const { filled } = await reindexAll(store, systemClock, { onProgress: (done) => meter.update(done, done) });
  meter.end();
  return filled;
}

function describeWriters(generation: number, indexed: number | undefined): string {
  if (indexed !== undefined) return `finalized: only this release and later ones may write; ${indexed} rows indexed\n`;
  return generation < GENERATION
    ? "older releases may still write; once all of them are stopped: deadletter migrate --finalize\n"
    : "";
}
