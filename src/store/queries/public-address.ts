// Where the public reaches redirects, as whoever serves the store has recorded it.

import type { Query, Sql, Tx } from "../store.ts";

export interface PublicAddressRow {
  readonly base_url: string;
  /** 1 where it was set, 0 where it is a listener's own address. */
  readonly is_set: number;
}

export function findPublicAddress(sql: Sql): Query<PublicAddressRow> {
  return sql`select base_url, is_set from public_address where id = 1`;
}

/** Leaves what was set where this was not. */
export function recordPublicAddress(tx: Tx, { base_url, is_set }: PublicAddressRow, at_ms: number): Query<unknown> {
  return tx`
    insert into public_address (id, base_url, is_set, at_ms) values (1, ${base_url}, ${is_set}, ${at_ms})
    on conflict (id) do update set base_url = excluded.base_url, is_set = excluded.is_set, at_ms = excluded.at_ms
    where excluded.is_set >= public_address.is_set`;
}
