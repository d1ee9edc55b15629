// What PostgreSQL says of itself: its version, its clock, and the settings on which durability depends.

import type { Inspection, Sql } from "./store.ts";

interface Row {
  readonly version: string;
  readonly now_ms: string;
  readonly is_encrypted: boolean | null;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  readonly data_checksums: string;
  readonly server_encoding: string;
}

/** Every role may read these. */
export async function inspectPostgres(sql: Sql): Promise<Inspection> {
  const [row] = await sql<Row>`
    select current_setting('server_version') as version,
           cast(floor(extract(epoch from clock_timestamp()) * 1000) as text) as now_ms,
           (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as is_encrypted,
           current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
           current_setting('synchronous_commit') as synchronous_commit,
           current_setting('data_checksums') as data_checksums, current_setting('server_encoding') as server_encoding`;
  if (row === undefined)
    return { version: "PostgreSQL of an unknown version", nowMs: undefined, isEncrypted: undefined, settings: {} };
  const { version, now_ms, is_encrypted, ...settings } = row;
  return {
    version: `PostgreSQL ${version}`,
    nowMs: Number(now_ms),
    isEncrypted: is_encrypted ?? undefined,
    settings,
  };
}
