// migrate: brings a schema up to this binary's, or only shows what that would take.

import { openStore, refuseMissingStore } from "../app/open-store.ts";
import { migrate, schemaStatus } from "../store/migrate.ts";
import { type Command, STORE_SETTINGS } from "./command.ts";
import { print, table } from "./output.ts";

export const migrateCommand: Command = {
  name: "migrate",
  summary: "Bring the store's schema up to this binary's. Safe to repeat and to run from many hosts at once.",
  args: [],
  flags: [
    { name: "status", help: "only show what is applied and what is pending" },
    { name: "dry-run", help: "the same: show what would be applied, and apply nothing" },
  ],
  settings: [...STORE_SETTINGS, "waitForDatabase"],
  examples: ["deadletter migrate --status", "DATABASE_URL=postgres://deadletter@db/deadletter deadletter migrate"],
  async run(input, io) {
    const isLookingOnly = input.isOn("status") || input.isOn("dry-run");
    if (isLookingOnly) refuseMissingStore(input.config);
    const store = await openStore(input.config);
    try {
      const before = await schemaStatus(store);
      const applied = isLookingOnly ? [] : await migrate(store, { nowMs: Date.now() });
      const { applied: known, pending } = isLookingOnly ? before : await schemaStatus(store);
      const rows = [
        ...known.map((row) => [String(row.version), row.name, `applied ${new Date(row.applied_at_ms).toISOString()}`]),
        ...pending.map((migration) => [String(migration.version), migration.name, "pending"]),
      ];
      const report = {
        applied_now: applied.map(({ version, name }) => ({ version, name })),
        applied: known,
        pending: pending.map(({ version, name }) => ({ version, name })),
      };
      print(io, input.isJson, report, () => {
        const summary = isLookingOnly
          ? `${pending.length} pending`
          : applied.length === 0
            ? "nothing to do"
            : `applied ${applied.length}`;
        return `${table(["VERSION", "NAME", "STATE"], rows)}${summary}\n`;
      });
      return 0;
    } finally {
      await store.close();
    }
  },
};
