// Every statement about the links that replicas follow now: what one that is cold should know before an outage.

import { DESTINATION_COLUMNS, type Destination } from "../../model/destination.ts";
import type { Query, Sql, Tx } from "../store.ts";

/** Those that were named by any replica last, the latest first. */
export function listHotLinks(sql: Sql, limit: number): Query<Destination> {
  return sql`
    select ${sql.names(...DESTINATION_COLUMNS.map((name) => `u.${name}`))}, u.version
    from hot_links h join urls u on u.id = h.url_id
    order by h.used_at_ms desc, h.url_id limit ${limit}`;
}

/** Each link once, in the order of ids, so that two replicas lock alike. What was named within `freshMs` before is left as it is. */
export function nameHotLinks(
  tx: Tx,
  links: readonly { readonly url_id: number; readonly used_at_ms: number }[],
  freshMs: number,
): Query<unknown> {
  return tx`
    insert into hot_links ${tx(links, "url_id", "used_at_ms")}
    on conflict (url_id) do update set used_at_ms = excluded.used_at_ms
    where hot_links.used_at_ms < excluded.used_at_ms - cast(${freshMs} as bigint)`;
}

/** All but the `keep` latest ones. */
export function forgetHotLinks(tx: Tx, keep: number): Query<unknown> {
  return tx`
    delete from hot_links where used_at_ms < (
      select min(used_at_ms) from (select used_at_ms from hot_links order by used_at_ms desc limit ${keep}) latest)`;
}
