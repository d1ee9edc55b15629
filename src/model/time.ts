// Instants: integer milliseconds since the epoch inside, UTC RFC 3339 with milliseconds outside. Pure.

import { badRequest } from "../errors.ts";

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;
/** 9999-12-31T23:59:59.999Z: the last instant that has a four-digit year. */
const LAST_MS = 253_402_300_799_999;

export const HOUR_MS = 3_600_000;

/** The one that was formatted last: what is written together was made at one time. */
let [lastMs, lastText] = [0, "1970-01-01T00:00:00.000Z"];

/** Total: a stored time that no check let in reads as what it is, so that whoever looks for such things can name it. */
export function formatTime(ms: number): string {
  if (ms === lastMs) return lastText;
  lastMs = ms;
  lastText = Math.abs(ms) <= LAST_MS ? new Date(ms).toISOString() : `not a time: ${ms}`;
  return lastText;
}

export function formatOptionalTime(ms: number | null): string | null {
  return ms === null ? null : formatTime(ms);
}

/** Milliseconds for an RFC 3339 section 5.6 date-time from 1970 to 9999; finer digits are cut. Throws bad_request. */
export function parseTime(field: string, text: string): number {
  const match = RFC3339.exec(text);
  if (!match) throw badRequest(`${field}: must be an RFC 3339 time such as 2027-01-31T12:00:00Z`);
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHour = "0", offsetMinute = "0"] = match;
  const fields = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [y, mo, d, h, mi, s] = fields;
  const local = Date.UTC(y, mo - 1, d, h, mi, s, Number(fraction.padEnd(3, "0").slice(0, 3)));
  const read = new Date(local);
  const isRealDate = read.getUTCFullYear() === y && read.getUTCMonth() === mo - 1 && read.getUTCDate() === d;
  if (!isRealDate || h > 23 || mi > 59 || s > 59 || Number(offsetHour) > 23 || Number(offsetMinute) > 59)
    throw badRequest(`${field}: ${JSON.stringify(text)} is not a date that exists`);
  const offsetMs = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
  const ms = sign === "-" ? local + offsetMs : local - offsetMs;
  if (ms < 0 || ms > LAST_MS) throw badRequest(`${field}: must lie between the years 1970 and 9999`);
  return ms;
}
