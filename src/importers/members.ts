// Cells and members of a link as a product writes them, read into what links have here. Each throws bad_request for what it is not.

import { badRequest } from "../errors.ts";
import { parseTime } from "../model/time.ts";

/** Cells and members of one link by name, as a product writes them. */
export type Members = Readonly<Record<string, unknown>>;

export function textOf(members: Members, name: string): string {
  const value = members[name];
  if (value === undefined || value === null) return "";
  if (typeof value === "object") throw badRequest(`${name}: must be a text`);
  return String(value);
}

export function countOf(name: string, value: unknown): number {
  if (value === undefined || value === null || value === "") return 0;
  const count = Number(value);
  if (!Number.isSafeInteger(count) || count < 0) throw badRequest(`${name}: must be a number of visits`);
  return count;
}

const TIME = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2})(:\d{2}(?:\.\d+)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

/**
 * Undefined for what is empty, and for what MySQL writes where there is no time. Seconds, a zone and the time itself may be missing:
 * without a zone it is UTC.
 */
export function timeOf(name: string, text: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed.startsWith("0000-00-00")) return undefined;
  const [, day, minutes = "00:00", seconds = ":00", zone = "Z"] = TIME.exec(trimmed) ?? [];
  if (day === undefined) return new Date(parseTime(name, trimmed)).toISOString();
  const offset = zone.replace(/^([+-]\d{2}):?(\d{2})?$/, (_, hours: string, rest = "00") => `${hours}:${rest}`);
  return new Date(parseTime(name, `${day}T${minutes}${seconds}${offset.toUpperCase()}`)).toISOString();
}

/** The code in a short URL; its host where that is to be told. */
export function splitShortUrl(text: string): { readonly code: string; readonly host: string } {
  const address = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
  if (!URL.canParse(address)) throw badRequest(`${JSON.stringify(text.slice(0, 100))} is no short URL`);
  const { pathname, host } = new URL(address);
  return { code: decodeURIComponent(pathname.replace(/^\//, "")), host };
}

export function found<Name extends string>(name: Name, value: string | undefined): Partial<Record<Name, string>> {
  return (value === undefined ? {} : { [name]: value }) as Partial<Record<Name, string>>;
}

export function times(members: Members, names: { readonly created_at: string; readonly updated_at?: string }) {
  return {
    ...found("created_at", timeOf(names.created_at, textOf(members, names.created_at))),
    ...(names.updated_at === undefined
      ? {}
      : found("updated_at", timeOf(names.updated_at, textOf(members, names.updated_at)))),
  };
}

export function separated(text: string, separator: string | RegExp): string[] {
  return text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

export function textsOf(name: string, value: unknown): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.some((each) => typeof each !== "string"))
    throw badRequest(`${name}: must be a list of texts`);
  return value as string[];
}

export function flagOf(name: string, text: string): boolean {
  if (/^(true|yes|1|)$/i.test(text)) return true;
  if (/^(false|no|0)$/i.test(text)) return false;
  throw badRequest(`${name}: must be true or false`);
}

export function chosen<Name extends string, Value extends string | number>(
  name: Name,
  text: string,
  values: readonly Value[],
): Partial<Record<Name, Value>> {
  if (text === "") return {};
  const value = values.find((each) => String(each) === text);
  if (value === undefined) throw badRequest(`${name}: must be one of ${values.join(", ")}`);
  return { [name]: value } as Partial<Record<Name, Value>>;
}
