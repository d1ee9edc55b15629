// A SQLite file of this run alone, so that what is read and waits to be written takes no memory. It has no name from the first moment
// on: nothing is left, however the process ends.

import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Within a transaction, which is never committed. The caller closes it. */
export function openScratch(tables: string): Database {
  const folder = mkdtempSync(join(tmpdir(), "deadletter-import-"));
  const database = new Database(join(folder, "scratch.db"), { strict: true });
  for (const pragma of ["journal_mode = off", "synchronous = off", "locking_mode = exclusive", "cache_size = -16384"])
    database.run(`pragma ${pragma}`);
  database.run(tables);
  rmSync(folder, { recursive: true, force: true });
  database.run("begin");
  return database;
}
