// Pages of a list: how big, where from, and the Link header to the next one (RFC 8288). Never without a bound.

import type { TSchema } from "@sinclair/typebox";
import { t } from "elysia";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isId } from "../model/code.ts";
import type { Page } from "../operations/page.ts";
import type { Answer } from "./exchange.ts";

/**
 * A member of a query. To the router it is a text, so that what is wrong with one is said in our own words; to the API's
 * description it is what that text must spell.
 */
export function spelled(spells: TSchema) {
  return t.Optional(t.String({ spells }));
}

/** RFC 3339 section 5.6, as parseTime() reads it. */
export const dateTime = { format: "date-time" } as const;

/** Members of every paged query. */
export const PageQuery = {
  page: spelled(t.Integer({ minimum: 1, description: "for deep pages follow the Link header instead" })),
  per_page: spelled(t.Integer({ minimum: 1, maximum: LIMITS.pageSizeMax, default: LIMITS.pageSizeDefault })),
  cursor: spelled(t.String({ description: "from the Link header of the page before" })),
};

export interface PageRequest {
  readonly limit: number;
  readonly offset: number;
  readonly cursor: string | undefined;
}

export function readPage(query: { page?: string; per_page?: string; cursor?: string }): PageRequest {
  const limit = readPositive("per_page", query.per_page, LIMITS.pageSizeMax) ?? LIMITS.pageSizeDefault;
  const page = readPositive("page", query.page, Number.MAX_SAFE_INTEGER) ?? 1;
  const offset = (page - 1) * limit;
  if (offset > LIMITS.pageOffsetMax)
    throw badRequest(`page: reaches past the first ${LIMITS.pageOffsetMax} rows`, "follow the Link header instead");
  if (query.cursor !== undefined && query.page !== undefined) throw badRequest("page: cannot be combined with cursor");
  return { limit, offset, cursor: query.cursor };
}

/** Undefined where it was not given. Throws bad_request unless it is an id. */
export function readId(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!isId(text)) throw badRequest(`${field}: must be a positive integer`);
  return Number(text);
}

/** Undefined where it was not given. Throws bad_request unless it is an integer of the range. */
export function readCount(
  field: string,
  text: string | undefined,
  range: { least: number; most: number },
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || value < range.least || value > range.most)
    throw badRequest(`${field}: must be an integer from ${range.least} to ${range.most}`);
  return value;
}

function readPositive(field: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^[0-9]{1,15}$/.test(text) || value < 1 || value > most)
    throw badRequest(`${field}: must be an integer from 1${most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`}`);
  return value;
}

/** A cursor of `count` integers joined by dots, as the last row of a page had them. */
export function readCursor(cursor: string | undefined, count: number): number[] | undefined {
  if (cursor === undefined) return undefined;
  const parts = cursor.split(".");
  if (parts.length !== count || !parts.every(isId)) throw badRequest("cursor: is not one this server gave");
  return parts.map(Number);
}

/** The page's items, and in the answer's headers where the next one is. */
export function sendPage<Item>(set: Answer, request: Request, { items, next }: Page<Item>): Item[] {
  if (next) set.headers.link = nextLink(request, next);
  return items;
}

/** `<PATH?same filters&cursor=...>; rel="next"`. The target is relative, so it holds behind any proxy. */
function nextLink(request: Request, cursor: readonly number[]): string {
  const url = new URL(request.url);
  url.searchParams.delete("page");
  url.searchParams.set("cursor", cursor.join("."));
  return `<${url.pathname}${url.search}>; rel="next"`;
}

/** Throws bad_request for what is neither true nor false. */
export function readFlag(field: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (text !== "true" && text !== "false") throw badRequest(`${field}: must be true or false`);
  return text === "true";
}
