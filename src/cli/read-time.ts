// Times as people type them: 7d, tomorrow 18:00, 2026-12-01, 1h ago. What was understood is said before anything is done.

import { badRequest } from "../errors.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Input } from "./command.ts";

const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/;
const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{1,2}):(\d{2}))?$/;
const DURATION = /^(?:in\s+)?(\d{1,6})\s*([a-z]+?)(\s+ago)?$/i;
/** 1.12.2026 and 1/12/2026 are two days, depending on who reads. */
const AMBIGUOUS = /^\d{1,2}([./-])\d{1,2}\1\d{2,4}\b/;

const UNITS: Readonly<Record<string, number>> = Object.fromEntries(
  [
    [1_000, "s sec secs second seconds"],
    [60_000, "m min mins minute minutes"],
    [3_600_000, "h hr hrs hour hours"],
    [86_400_000, "d day days"],
    [604_800_000, "w wk week weeks"],
  ].flatMap(([ms = 0, names = ""]) =>
    String(names)
      .split(" ")
      .map((name) => [name, Number(ms)]),
  ),
);
/** Of these the calendar says how long they are. */
const MONTHS: Readonly<Record<string, number>> = { mo: 1, month: 1, months: 1, y: 12, year: 12, years: 12 };

/** Which way a time without a direction points: an expiry lies ahead, the start of a search behind. */
export type Direction = "ahead" | "behind";

/** The value of a flag as RFC 3339; undefined where it is not given. Throws bad_request for what is no time. */
export async function readTime(input: Input, flag: string, direction: Direction): Promise<string | undefined> {
  const text = input.value(flag);
  if (text === undefined || RFC3339.test(text)) return text;
  const time = await readTimeText(text, direction, `--${flag}: `);
  const ms = Date.parse(time);
  const past = direction === "ahead" && ms <= systemClock.now() ? ", which is past" : "";
  input.note(`--${flag}: ${text} is ${localTime(ms)}, ${time}${past}`);
  return time;
}

/** The same of a text. */
export async function readTimeText(text: string, direction: Direction, label = ""): Promise<string> {
  if (RFC3339.test(text)) return text;
  const ms = await understand(text.trim(), systemClock.now(), direction);
  if (ms === undefined && AMBIGUOUS.test(text))
    throw badRequest(`${label}${JSON.stringify(text)} is two days, depending on who reads`, "write 2026-12-01");
  if (ms === undefined && DATE.test(text))
    throw badRequest(`${label}${JSON.stringify(text)} is not a date that exists`);
  if (ms === undefined)
    throw badRequest(
      `${label}${JSON.stringify(text)} is not a time`,
      "write 2026-12-01T18:00:00Z, 2026-12-01, 7d, 1h ago or tomorrow 18:00 (deadletter help times)",
    );
  return new Date(ms).toISOString();
}

/** Milliseconds; undefined where it cannot be read whole. */
export async function understand(text: string, nowMs: number, direction: Direction): Promise<number | undefined> {
  const date = DATE.exec(text);
  if (date) return localDate(date);
  const [, count = "", unit = "", ago] = DURATION.exec(text) ?? [];
  const isBehind = ago !== undefined || (direction === "behind" && !/^in\s/i.test(text));
  const length = (isBehind ? -1 : 1) * Number(count);
  const [ms, months] = [UNITS[unit.toLowerCase()], MONTHS[unit.toLowerCase()]];
  if (ms !== undefined) return nowMs + length * ms;
  if (months !== undefined) return inRange(addMonths(nowMs, length * months));
  if (AMBIGUOUS.test(text)) return undefined;
  // The parser is big, and most commands never need it.
  const { casual } = await import("chrono-node/en");
  const forwardDate = direction === "ahead" && !/\blast\b/i.test(text);
  const [found, another] = casual.parse(text, new Date(nowMs), { forwardDate });
  // What it did not read, a zone's name say, would be lost without a word.
  if (found === undefined || another !== undefined || found.text !== text || found.end) return undefined;
  const when = found.start.date();
  // A day without an hour is its first moment, as 2026-12-01 is, not its noon.
  if (!found.start.isCertain("hour") && !HOUR_WORDS.test(text)) when.setHours(0, 0, 0, 0);
  if (direction === "behind" && when.getTime() > nowMs && !/\b(?:tomorrow|next|in)\b/i.test(text)) {
    // Of what has no date the last one is meant.
    if (found.start.isCertain("weekday")) when.setDate(when.getDate() - 7);
    else if (found.start.isCertain("month") && !found.start.isCertain("year")) when.setFullYear(when.getFullYear() - 1);
    else if (!found.start.isCertain("day")) when.setDate(when.getDate() - 1);
  }
  return inRange(when.getTime());
}

/** Words that mean an hour of their own. */
const HOUR_WORDS = /\b(?:now|ago|in|noon|midnight|tonight|night|morning|afternoon|evening)\b/i;

function addMonths(fromMs: number, months: number): number {
  const when = new Date(fromMs);
  const day = when.getDate();
  when.setMonth(when.getMonth() + months);
  // The 31st of a month that has 30 days is its last one.
  if (when.getDate() !== day) when.setDate(0);
  return when.getTime();
}

function inRange(ms: number): number | undefined {
  return Number.isNaN(ms) ? undefined : ms;
}

/** In the zone of this process. Undefined for a date that there is not. */
function localDate([, year, month, day, hour = "0", minute = "0"]: RegExpExecArray): number | undefined {
  const [y, mo, d, h, mi] = [year, month, day, hour, minute].map(Number) as [number, number, number, number, number];
  const read = new Date(y, mo - 1, d, h, mi);
  const isReal = read.getMonth() === mo - 1 && read.getDate() === d && h < 24 && mi < 60;
  return isReal ? read.getTime() : undefined;
}

/** `2026-11-27 18:00 in Europe/Berlin` */
export function localTime(ms: number): string {
  const at = new Date(ms);
  const two = (part: number) => String(part).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())} in ${zone}`;
}
