// Brings a store's schema up to this binary's, one process at a time, or says why it must not.

import { DeadletterError } from "../errors.ts";
import { finalizeWith, GENERATION, readStoreGeneration } from "./generation.ts";
import { type Migration, migrationCount, migrationsFor } from "./migrations.ts";
import { type AppliedMigration, createSchemaTable, listApplied, ping, recordMigration } from "./queries/schema.ts";
import { type Sql, type Store, StoreError } from "./store.ts";

export interface SchemaStatus {
  readonly applied: readonly AppliedMigration[];
  readonly pending: readonly Migration[];
}

/** Throws when the schema is newer than this binary, or when an applied migration is not the one this binary carries. */
export async function schemaStatus(store: Store): Promise<SchemaStatus> {
  try {
    return compare(store, await store.read(listApplied));
  } catch (error) {
    if (error instanceof StoreError && error.kind === "missing_table") return compare(store, []);
    throw error;
  }
}

/**
 * How many migrations a store has, and how many of this binary it lacks. Unlike schemaStatus() it takes a newer schema as it is: a process that
 * serves goes on while the next release migrates, since a migration keeps what the release before it needs.
 */
export async function countMigrations(sql: Sql): Promise<{ readonly applied: number; readonly pending: number }> {
  const applied = (await listApplied(sql)).length;
  return { applied, pending: Math.max(0, migrationCount() - applied) };
}

/** The cheapest proof that the database answers. Throws what it says otherwise. */
export async function assertAnswers(store: Store): Promise<void> {
  await store.read(ping);
}

/** Applies what is pending in one transaction under a lock; returns what it applied. Safe to repeat and to race. */
export async function migrate(store: Store, options: { readonly nowMs: number }): Promise<readonly Migration[]> {
  const isPending = (await schemaStatus(store)).pending.length > 0;
  const isOnlyOne = store.engine === "sqlite" && (await readStoreGeneration(store)) < GENERATION;
  if (!isPending && !isOnlyOne) return [];
  return store.migrate(async (tx) => {
    await createSchemaTable(tx);
    const { applied, pending } = compare(store, await listApplied(tx));
    for (const { version, name, checksum, script } of pending) {
      await tx.script(script);
      await recordMigration(tx, { version, name, checksum, applied_at_ms: options.nowMs });
    }
    // Nobody else writes to it: one release runs at a time on the embedded store, and none ever has on a new one.
    if (store.engine === "sqlite" || applied.length === 0) await finalizeWith(tx, store.engine);
    return pending;
  });
}

function compare(store: Store, applied: readonly AppliedMigration[]): SchemaStatus {
  const known = migrationsFor(store.engine);
  for (const row of applied) {
    const migration = known[row.version - 1];
    if (!migration)
      throw new DeadletterError(
        "internal_error",
        `the schema of ${store.place} is at version ${row.version}, newer than this binary, which knows ${known.length}`,
        { hint: "run the deadletter release that migrated it, or a later one" },
      );
    if (migration.checksum !== row.checksum)
      throw new DeadletterError(
        "internal_error",
        `migration ${row.version} (${row.name}) of ${store.place} is not the one this binary carries: its checksum differs`,
        { hint: "run the release that applied it; a migration is never edited after its release" },
      );
  }
  return { applied, pending: known.slice(applied.length) };
}
