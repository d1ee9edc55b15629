// What /metrics says of the store: its calls, whether it answers, the embedded one's write-ahead log.

import type { Metrics } from "../metrics/registry.ts";
import type { Store } from "./store.ts";

export function publishStore(metrics: Metrics, store: Store, isUp: () => boolean): void {
  metrics.gauge(
    "deadletter_database_calls",
    "Database calls now: active hold a connection, waiting wait for one, size is how many there are.",
    { label: "state" },
    () => ({ ...store.load() }),
  );
  metrics.gauge(
    "deadletter_database_up",
    "Whether the database answers this process (0 or 1).",
    { aggregator: "min" },
    () => Number(isUp()),
  );
  metrics.gauge(
    "deadletter_sqlite_wal_bytes",
    "How much of the embedded store's write-ahead log is in use.",
    { aggregator: "max" },
    () => store.wal()?.bytes,
  );
  metrics.gauge(
    "deadletter_sqlite_wal_held",
    "Whether a reader of an older state keeps it from being emptied (0 or 1): it grows until that reader has done.",
    { aggregator: "max" },
    () => {
      const wal = store.wal();
      return wal && Number(wal.isHeld);
    },
  );
}
