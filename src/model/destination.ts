// What a redirect needs of a link, and where it finds it: in a row, or in an audited state. Pure.

import type { State } from "./field.ts";
import type { LinkRow, LinkStatus } from "./link.ts";

/** Columns of a link that its redirect depends on, at a version. */
export const DESTINATION_COLUMNS = [
  "id",
  "short_code",
  "original_url",
  "is_active",
  "expires_at_ms",
  "starts_at_ms",
  "status",
  "max_age",
  "forward",
  "query_wins",
] as const satisfies readonly (keyof LinkRow)[];

export type Destination = Pick<LinkRow, (typeof DESTINATION_COLUMNS)[number] | "version">;

/** The same out of a link's audited state, which may be of before a field was gained; null where it is no link's. */
export function destinationFromState(state: State | null): Destination | null {
  const { id, short_code, original_url, is_active, version } = state ?? {};
  const { expires_at = null, starts_at = null, max_age = null } = state ?? {};
  const { status = 302, forward = "none", query_wins = "target" } = state ?? {};
  if (typeof short_code !== "string" || typeof original_url !== "string") return null;
  return {
    id: Number(id),
    short_code,
    original_url,
    is_active: is_active === true ? 1 : 0,
    expires_at_ms: timeOf(expires_at),
    starts_at_ms: timeOf(starts_at),
    status: status as LinkStatus,
    max_age: max_age as number | null,
    forward: forward as Destination["forward"],
    query_wins: query_wins as Destination["query_wins"],
    version: Number(version),
  };
}

function timeOf(value: unknown): number | null {
  return value === null ? null : Date.parse(String(value));
}
