// What /metrics says of the store: its calls, whether it answers, the embedded one's write-ahead log.

import { type Metrics, once } from "../metrics/registry.ts";
import type { Replication, Store } from "./store.ts";

export interface StoreSources {
  readonly isUp: () => boolean;
  /** Undefined while the store does not answer, and on the embedded one. */
  readonly readReplication: () => Promise<Replication | undefined>;
  /** Migrations that the store has, and those of this binary that it lacks; undefined before it has answered. */
  readonly readSchema: () => Promise<{ readonly applied: number; readonly pending: number } | undefined>;
}

export function publishStore(
  metrics: Metrics,
  store: Store,
  { isUp, readReplication, readSchema }: StoreSources,
): void {
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
  publishCalls(metrics, store);
  metrics.gauge(
    "deadletter_schema_version",
    "Migrations that the store has.",
    { aggregator: "max" },
    async () => (await readSchema())?.applied,
  );
  metrics.gauge(
    "deadletter_schema_pending",
    "Migrations of this binary that the store lacks: run deadletter migrate.",
    { aggregator: "max" },
    async () => (await readSchema())?.pending,
  );
  if (store.engine === "postgres") publishReplication(metrics, once(readReplication));
}

function publishCalls(metrics: Metrics, { counts }: Store): void {
  metrics.buckets(
    "deadletter_database_wait_seconds",
    "Time until a transaction had a connection, or the embedded store's writer, and had begun.",
    undefined,
    counts.waitSeconds,
  );
  metrics.buckets(
    "deadletter_database_commit_seconds",
    "Time a COMMIT took; on the embedded store the wait for the disk (fsync), which a group of changes shares.",
    undefined,
    counts.commitSeconds,
  );
  metrics.counted(
    "deadletter_database_retries_total",
    "Transactions run again after a serialization failure or a deadlock.",
    undefined,
    () => counts.retries,
  );
  metrics.counted(
    "deadletter_database_deadlines_total",
    "Database calls given up at their deadline.",
    undefined,
    () => counts.deadlines,
  );
}

function publishReplication(metrics: Metrics, read: () => Promise<Replication | undefined>): void {
  const publish = (name: string, help: string, value: (found: Replication) => number | undefined) =>
    metrics.gauge(name, help, { aggregator: "max" }, async () => {
      const found = await read();
      return found && value(found);
    });
  publish("deadletter_database_is_replica", "Whether the database in use only copies another one (0 or 1).", (found) =>
    Number(found.isReplica),
  );
  publish("deadletter_database_standbys", "Servers that copy the database in use.", ({ standbys }) => standbys);
  publish(
    "deadletter_database_replication_lag_seconds",
    "How far the standby furthest behind is, or the database itself where it is one; nothing where the role may not see it.",
    ({ lagSeconds }) => lagSeconds,
  );
  publish(
    "deadletter_database_replication_lag_bytes",
    "The same in bytes of write-ahead log.",
    ({ lagBytes }) => lagBytes,
  );
}
