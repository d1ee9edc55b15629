// Every statement about the schema's own history.

import type { Query, Sql, Tx } from "../store.ts";

export interface AppliedMigration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly applied_at_ms: number;
}

export function createSchemaTable(tx: Tx): Query<unknown> {
  return tx`
    create table if not exists schema_migrations (
      version integer not null primary key,
      name text not null,
      checksum text not null,
      applied_at_ms bigint not null
    )`;
}

export function listApplied(sql: Sql): Query<AppliedMigration> {
  return sql`select version, name, checksum, applied_at_ms from schema_migrations order by version`;
}

export function recordMigration(tx: Tx, migration: AppliedMigration): Query<unknown> {
  return tx`
    insert into schema_migrations (version, name, checksum, applied_at_ms)
    values (${migration.version}, ${migration.name}, ${migration.checksum}, ${migration.applied_at_ms})`;
}

export function ping(sql: Sql): Query<{ one: number }> {
  return sql`select 1 as one`;
}

/** The earliest generation of releases that may write (store/generation.ts). */
export function readGeneration(sql: Sql): Query<{ generation: number }> {
  return sql`select generation from store_generation where id = 1`;
}

export function updateGeneration(tx: Tx, generation: number): Query<unknown> {
  return tx`update store_generation set generation = ${generation} where id = 1`;
}
