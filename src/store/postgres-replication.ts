// What PostgreSQL says of its own replication, as far as the role may see it.

import type { Replication, Sql } from "./store.ts";

interface Row {
  readonly is_replica: boolean;
  readonly standbys: number;
  readonly lag_bytes: string | number | null;
  readonly lag_s: string | number | null;
}

/**
 * A role without pg_monitor sees that there are standbys, and not how far behind they are (Monitoring Statistics in the manual):
 * then both lags are undefined. One that has caught up has no lag in time while nothing is written.
 */
export async function readReplication(sql: Sql): Promise<Replication | undefined> {
  const [row] = await sql<Row>`
    select r.is_replica, s.standbys, s.lag_bytes,
           case when r.is_replica then extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())
                else s.lag_s end as lag_s
    from (select pg_is_in_recovery() as is_replica) r,
         (select count(*) as standbys, max(extract(epoch from replay_lag)) as lag_s,
                 max(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn()
                                          else pg_current_wal_lsn() end, replay_lsn)) as lag_bytes
          from pg_stat_replication
          -- Backups are sent as well, and logical subscribers are no standbys.
          where application_name not in ('pg_basebackup', 'pg_receivewal')
            and pid not in (select active_pid from pg_replication_slots
                            where slot_type = 'logical' and active_pid is not null)) s`;
  if (!row) return undefined;
  const numberOf = (value: string | number | null) => (value === null ? undefined : Math.max(0, Number(value)));
  return {
    isReplica: row.is_replica,
    standbys: row.standbys,
    lagSeconds: numberOf(row.lag_s),
    lagBytes: numberOf(row.lag_bytes),
  };
}
