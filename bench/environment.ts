// The settings of a server that a bench starts.

import { createLogKey, encodeLogKey } from "../src/audit/log-key.ts";
import { createDatabase } from "../test/support/postgres.ts";

/** On a free port, with a data directory and an admin's key of its own; on PostgreSQL with a database that is made for it. */
export async function environmentFor(engine: string, dataDir: string, adminKey: string) {
  return {
    DEADLETTER_DATA_DIR: dataDir,
    PORT: "0",
    LOG_LEVEL: "error",
    DEADLETTER_ADMIN_KEY: adminKey,
    DEADLETTER_LOG_KEY: encodeLogKey(createLogKey("bench.example/log", new Uint8Array(32).fill(7))),
    DEADLETTER_MIGRATE: "true",
    ...(engine === "postgres" ? { DATABASE_URL: await createDatabase(), HOST: "127.0.0.1" } : {}),
  };
}
