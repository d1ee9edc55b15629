// Stores without a schema, on each engine and in each way in which they are opened.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/runtime/clock.ts";
import { openPostgres } from "../../src/store/postgres.ts";
import { openSqlite } from "../../src/store/sqlite.ts";
import type { Store } from "../../src/store/store.ts";
import type { Engine } from "./harness.ts";
import { createDatabase } from "./postgres.ts";

/** The embedded store as a process that serves has it, with everything written in bulk: in a thread. */
export const THREADED = "sqlite, in a thread";

async function openThreaded(path: string): Promise<Store> {
  const store = await openSqlite(path, { deadlineMs: 5_000, clock: systemClock });
  await store.startBackground();
  return { ...store, begin: (run, options) => store.begin(run, { ...options, isBulk: true }) };
}

export async function openFresh(
  engine: Engine | typeof THREADED,
): Promise<{ open: () => Promise<Store>; remove: () => void }> {
  if (engine === "postgres") {
    const url = await createDatabase();
    return {
      open: () => openPostgres(url, { poolSize: 5, deadlineMs: 5_000, isPooled: false, clock: systemClock }),
      remove: () => {},
    };
  }
  const directory = mkdtempSync(join(tmpdir(), "deadletter-store-"));
  return {
    open: () => {
      const path = join(directory, "deadletter.db");
      return engine === THREADED ? openThreaded(path) : openSqlite(path, { deadlineMs: 5_000, clock: systemClock });
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
