// A thread that runs queries of the embedded store that may look at many rows, on a read-only connection of its own.
// scan-thread.ts talks to it.

import { LIMITS } from "../limits.ts";
import type { ScanAnswer, ScanQuestion } from "./scan-thread.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { StoreError } from "./store.ts";

declare const self: Worker;

let connection: SqliteConnection | undefined;

self.onmessage = ({ data }: MessageEvent<ScanQuestion>) => {
  if (data.kind === "open") {
    connection = new SqliteConnection(data.path, { readonly: true });
    connection.database.run(`pragma cache_size = -${LIMITS.sqliteCacheKiB}`);
    self.postMessage({ kind: "opened" } satisfies ScanAnswer);
    return;
  }
  self.postMessage(answer(data.id, data.text, data.values));
};

function answer(id: number, text: string, values: readonly (string | number | Uint8Array | null)[]): ScanAnswer {
  try {
    if (!connection) throw new Error("the store was not opened");
    return { kind: "rows", id, rows: connection.all(text, values) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const store = error instanceof StoreError ? error.kind : undefined;
    return { kind: "failed", id, message, store };
  }
}
