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

/** Undefined for what is empty. `2025-06-09 11:24:49` is UTC; an offset may come without its colon, and a date without a time. */
export function timeOf(name: string, text: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const written = /^\d{4}-\d{2}-\d{2}$/.test(trimmed)
    ? `${trimmed}T00:00:00Z`
    : trimmed
        .replace(/^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?)$/, "$1T$2Z")
        .replace(/([+-]\d{2})(\d{2})$/, "$1:$2");
  return new Date(parseTime(name, written)).toISOString();
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
