// A link as the redirect cache has it, and where each part of it stands in a record of flat memory.

import { FORWARDS, type Forward, QUERY_WINNERS, type QueryWinner } from "../model/forward.ts";
import { LINK_STATUSES, type LinkStatus } from "../model/link.ts";

export interface CachedLink {
  readonly outcome: "found" | "inactive";
  readonly urlId: number;
  readonly expiresAtMs: number | null;
  /** What a Location header says: visible ASCII. */
  readonly location: string;
  /** The link's, at which it was so: what is older is never put in its place. */
  readonly version: number;
  /** By the wall clock, since when this process knows it, to the second. */
  readonly cachedAtMs: number;
  /** Undefined for a link that says nothing beside its target and its expiry, as most do. */
  readonly options: RedirectOptions | undefined;
}

export interface RedirectOptions {
  readonly startsAtMs: number | null;
  readonly status: LinkStatus;
  readonly maxAgeS: number | null;
  readonly forward: Forward;
  readonly queryWins: QueryWinner;
}

/**
 * A record: link id, expiry and beginning (float64 each, NaN for none), version, lengths of name and target, when it came
 * (uint32, seconds), outcome, options (bits: whether there are any, status, forward, whose query wins), max-age (uint16, 0 for
 * none), both texts.
 */
export const RECORD = {
  id: 0,
  expiry: 8,
  start: 16,
  version: 24,
  nameLength: 28,
  locationLength: 30,
  cached: 32,
  outcome: 36,
  options: 37,
  maxAge: 38,
  text: 40,
} as const;

export function writeOptions(
  chunk: Buffer,
  at: number,
  { startsAtMs, status, maxAgeS, forward, queryWins }: RedirectOptions,
) {
  const bits = [
    LINK_STATUSES.indexOf(status) << 1,
    FORWARDS.indexOf(forward) << 3,
    QUERY_WINNERS.indexOf(queryWins) << 6,
  ];
  chunk.writeUInt8(
    bits.reduce((all, each) => all | each, 1),
    at + RECORD.options,
  );
  chunk.writeUInt16LE(maxAgeS ?? 0, at + RECORD.maxAge);
  chunk.writeDoubleLE(startsAtMs ?? Number.NaN, at + RECORD.start);
}

export function optionsAt(chunk: Buffer, view: DataView, at: number): RedirectOptions {
  const bits = chunk[at + RECORD.options] as number;
  const start = view.getFloat64(at + RECORD.start, true);
  return {
    startsAtMs: Number.isNaN(start) ? null : start,
    status: LINK_STATUSES[(bits >> 1) & 3] as LinkStatus,
    maxAgeS: view.getUint16(at + RECORD.maxAge, true) || null,
    forward: FORWARDS[(bits >> 3) & 7] as Forward,
    queryWins: QUERY_WINNERS[(bits >> 6) & 1] as QueryWinner,
  };
}
