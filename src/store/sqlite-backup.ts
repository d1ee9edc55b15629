// A consistent copy of an embedded store that others may be writing to, and reading one as it lies there.

import { Database } from "bun:sqlite";
import { closeSync, fsyncSync, openSync } from "node:fs";
import { LIMITS } from "../limits.ts";
import { mapSqliteError } from "./sqlite-errors.ts";

/**
 * Copies the committed state of this moment, as VACUUM INTO does (sqlite.org/lang_vacuum.html): writers go on, and none can
 * make it begin anew. `target` is made, 0600, and is on the disk when this returns. Throws where it exists.
 */
export function copySqlite(path: string, target: string): void {
  closeSync(openSync(target, "wx", 0o600));
  const database = new Database(path, { readonly: true });
  try {
    database.run(`pragma busy_timeout = ${LIMITS.sqliteBusyMs}`);
    database.run("vacuum into ?", [target]);
  } catch (error) {
    throw mapSqliteError(error);
  } finally {
    database.close();
  }
  const file = openSync(target, "r");
  fsyncSync(file);
  closeSync(file);
}
