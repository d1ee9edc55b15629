// The migrations, embedded in the executable as text. A file that has been released is never edited, only followed.

import { createHash } from "node:crypto";
import postgres0001 from "../../migrations/postgres/0001_subjects_and_events.sql" with { type: "text" };
import postgres0002 from "../../migrations/postgres/0002_signed_log.sql" with { type: "text" };
import postgres0003 from "../../migrations/postgres/0003_click_hours.sql" with { type: "text" };
import postgres0004 from "../../migrations/postgres/0004_hot_links.sql" with { type: "text" };
import postgres0005 from "../../migrations/postgres/0005_room_to_grow.sql" with { type: "text" };
import postgres0006 from "../../migrations/postgres/0006_followers.sql" with { type: "text" };
import postgres0007 from "../../migrations/postgres/0007_grouped_writes.sql" with { type: "text" };
import postgres0008 from "../../migrations/postgres/0008_idempotency_keys.sql" with { type: "text" };
import postgres0009 from "../../migrations/postgres/0009_link_options.sql" with { type: "text" };
import postgres0010 from "../../migrations/postgres/0010_incidents.sql" with { type: "text" };
import postgres0011 from "../../migrations/postgres/0011_imported_clicks.sql" with { type: "text" };
import postgres0012 from "../../migrations/postgres/0012_targets_by_block.sql" with { type: "text" };
import postgres0013 from "../../migrations/postgres/0013_guard_lookups.sql" with { type: "text" };
import sqlite0001 from "../../migrations/sqlite/0001_subjects_and_events.sql" with { type: "text" };
import sqlite0002 from "../../migrations/sqlite/0002_signed_log.sql" with { type: "text" };
import sqlite0003 from "../../migrations/sqlite/0003_click_hours.sql" with { type: "text" };
import sqlite0004 from "../../migrations/sqlite/0004_hot_links.sql" with { type: "text" };
import sqlite0005 from "../../migrations/sqlite/0005_room_to_grow.sql" with { type: "text" };
import sqlite0006 from "../../migrations/sqlite/0006_followers.sql" with { type: "text" };
import sqlite0007 from "../../migrations/sqlite/0007_grouped_writes.sql" with { type: "text" };
import sqlite0008 from "../../migrations/sqlite/0008_idempotency_keys.sql" with { type: "text" };
import sqlite0009 from "../../migrations/sqlite/0009_link_options.sql" with { type: "text" };
import sqlite0010 from "../../migrations/sqlite/0010_incidents.sql" with { type: "text" };
import sqlite0011 from "../../migrations/sqlite/0011_imported_clicks.sql" with { type: "text" };
import sqlite0012 from "../../migrations/sqlite/0012_targets_by_block.sql" with { type: "text" };
import sqlite0013 from "../../migrations/sqlite/0013_guard_lookups.sql" with { type: "text" };
import type { Store } from "./store.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly script: string;
  /** SHA-256 of the script, hex: a file changed after it was applied is noticed. */
  readonly checksum: string;
}

/** Ordered by version, without gaps; both engines have the same versions. */
export function migrationsFor(engine: Store["engine"]): readonly Migration[] {
  return MIGRATIONS.map(({ name, ...scripts }, index) => {
    const script = scripts[engine];
    return { version: index + 1, name, script, checksum: createHash("sha256").update(script).digest("hex") };
  });
}

/** How many there are, without hashing them: the database probe asks each second. */
export function migrationCount(): number {
  return MIGRATIONS.length;
}

const MIGRATIONS = [
  { name: "subjects_and_events", postgres: postgres0001, sqlite: sqlite0001 },
  { name: "signed_log", postgres: postgres0002, sqlite: sqlite0002 },
  { name: "click_hours", postgres: postgres0003, sqlite: sqlite0003 },
  { name: "hot_links", postgres: postgres0004, sqlite: sqlite0004 },
  { name: "room_to_grow", postgres: postgres0005, sqlite: sqlite0005 },
  { name: "followers", postgres: postgres0006, sqlite: sqlite0006 },
  { name: "grouped_writes", postgres: postgres0007, sqlite: sqlite0007 },
  { name: "idempotency_keys", postgres: postgres0008, sqlite: sqlite0008 },
  { name: "link_options", postgres: postgres0009, sqlite: sqlite0009 },
  { name: "incidents", postgres: postgres0010, sqlite: sqlite0010 },
  { name: "imported_clicks", postgres: postgres0011, sqlite: sqlite0011 },
  { name: "targets_by_block", postgres: postgres0012, sqlite: sqlite0012 },
  { name: "guard_lookups", postgres: postgres0013, sqlite: sqlite0013 },
] as const;
