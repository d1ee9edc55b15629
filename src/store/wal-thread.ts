// A thread of its own that moves the embedded store's write-ahead log into the database file, so that no redirect waits while
// that is done. It reads and writes nothing else. Started by sqlite.ts with the file's path.

import { Database } from "bun:sqlite";
import { LIMITS } from "../limits.ts";

declare const self: Worker;

self.onmessage = ({ data: path }: MessageEvent<string>) => {
  const database = new Database(path);
  database.run("pragma busy_timeout = 0");
  const statement = database.query("pragma wal_checkpoint(passive)");
  setInterval(() => {
    try {
      statement.all();
    } catch {
      // Somebody else is at it; the next time will do.
    }
  }, LIMITS.sqliteCheckpointMs);
  self.postMessage("started");
};
