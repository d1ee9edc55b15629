// What of a visitor's address becomes part of a target: its query, the rest of its path, or both where a template says. Nothing a
// visitor sends changes scheme, host, port, user or fragment, or leaves the path that the target has. Pure.

import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";

export const FORWARDS = ["none", "query", "path", "both", "template"] as const;
export type Forward = (typeof FORWARDS)[number];

/** Whose value stands where target and visitor name the same member of a query. */
export const QUERY_WINNERS = ["target", "visitor"] as const;
export type QueryWinner = (typeof QUERY_WINNERS)[number];

/** What a visitor's address says beside the link's code, as it came over the wire: the path without its first slash, the query without its mark. */
export interface Visit {
  readonly path: string;
  readonly query: string;
}

export interface Forwarding {
  /** As a Location header says it; of a template with its places still in it. */
  readonly location: string;
  readonly forward: Forward;
  readonly queryWins: QueryWinner;
}

/** Scheme and authority, path, query with its mark, fragment with its mark (RFC 3986, appendix B). */
const PARTS = /^(https?:\/\/[^/?#\\]*)([^?#]*)(\?[^#]*)?(#.*)?$/is;
const PLACES = /\{(?:([1-9])|path|query)\}/g;

/** Whether a link takes a path after its code. */
export function takesPath({ forward, location }: Pick<Forwarding, "forward" | "location">): boolean {
  return forward === "path" || forward === "both" || (forward === "template" && /\{(?:[1-9]|path)\}/.test(location));
}

/** Throws bad_request for a template whose places stand where a visitor must not write, or that has none. */
export function checkTemplate(originalUrl: string): void {
  const [, authority = "", path = "", query = "", fragment = ""] = PARTS.exec(originalUrl) ?? [];
  for (const [part, text] of [
    ["host", authority],
    ["fragment", fragment],
  ] as const)
    if (placesIn(text) > 0) throw badRequest(`original_url: a template has no place in its ${part}`);
  if (path.split("/").some((segment) => placesIn(segment) > 0 && /^\.{1,2}$/.test(segment.replace(PLACES, ""))))
    throw badRequest("original_url: a template has no place beside nothing but dots: an empty one would climb");
  if (path.includes("{query}")) throw badRequest("original_url: {query} stands in a template's query alone");
  if (placesIn(path) + placesIn(query) === 0)
    throw badRequest(
      "original_url: a template needs a place such as {1}, {path} or {query}",
      'or forward "path", which needs none',
    );
}

function placesIn(text: string): number {
  return text.match(PLACES)?.length ?? 0;
}

/** Where the visitor is sent; undefined where that would leave what the link allows, or be too long. */
export function forwardTo({ location, forward, queryWins }: Forwarding, { path, query }: Visit): string | undefined {
  const [, authority = "", ownPath = "", ownQuery = "", fragment = ""] = PARTS.exec(location) ?? [];
  const target = { authority, path: ownPath, query: ownQuery, fragment };
  const rest = cleanPath(path);
  if (rest === undefined || (rest !== "" && !takesPath({ forward, location }))) return undefined;
  const made = forward === "template" ? fill(target, rest, query) : append(target, rest, { forward, queryWins, query });
  const text = `${authority}${made.path}${made.query}${fragment}`;
  if (Buffer.byteLength(text) > LIMITS.forwardedBytes) return undefined;
  const fixed = forward === "template" ? ownPath.slice(0, ownPath.search(/\{(?:[1-9]|path|query)\}|$/)) : ownPath;
  return isWithin(text, target, fixed) ? text : undefined;
}

interface Target {
  readonly authority: string;
  readonly path: string;
  readonly query: string;
  readonly fragment: string;
}

function append(
  { path, query }: Target,
  rest: string,
  visit: { readonly forward: Forward; readonly queryWins: QueryWinner; readonly query: string },
): Pick<Target, "path" | "query"> {
  const { forward, queryWins } = visit;
  const joined = rest === "" ? path : `${path}${path.endsWith("/") ? "" : "/"}${rest}`;
  if (forward === "path" || forward === "none" || visit.query === "") return { path: joined, query };
  const [own, given] = [query.slice(1), encodeQuery(visit.query)];
  const merged =
    queryWins === "target" ? [...members(own), ...unnamed(given, own)] : [...unnamed(own, given), ...members(given)];
  return { path: joined, query: merged.length === 0 ? "" : `?${merged.join("&")}` };
}

function members(query: string): readonly string[] {
  return query === "" ? [] : query.split("&");
}

/** Members of a query whose name the other does not have. */
function unnamed(query: string, other: string): readonly string[] {
  const taken = new Set(members(other).map(nameOf));
  return members(query).filter((member) => !taken.has(nameOf(member)));
}

/** As servers read it: `a%62c` and `abc` are one name. */
function nameOf(member: string): string {
  const [name = ""] = member.split("=", 1);
  return decode(name.replaceAll("+", " ")) ?? name;
}

/** Every place with what the visitor sent for it; what was not sent is empty. */
function fill({ path, query }: Target, rest: string, visitorQuery: string): Pick<Target, "path" | "query"> {
  const segments = rest.split("/");
  const filling = (place: string, number: string | undefined) => {
    if (number !== undefined) return segments[Number(number) - 1] ?? "";
    return place === "{path}" ? rest : encodeQuery(visitorQuery);
  };
  const within = (encode: (place: string, value: string) => string) => (place: string, number?: string) =>
    encode(place, filling(place, number));
  return {
    path: path.replace(
      PLACES,
      within((_, value) => value),
    ),
    // A value in a query stays one value: only {query} brings members of its own.
    query: query.replace(
      PLACES,
      within((place, value) => (place === "{query}" ? value : encodeURIComponent(decode(value) ?? value))),
    ),
  };
}

/** The rest of a path, its characters encoded as RFC 3986 section 3.3 has them; undefined for one that would climb or hide something. */
function cleanPath(path: string): string | undefined {
  if (path === "") return "";
  const segments = path.split("/");
  const isClean = segments.every((segment, at) => isPlainSegment(segment, at === segments.length - 1));
  return isClean ? path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@%/]/gu, encodeURIComponent) : undefined;
}

/** Times that a segment is decoded to see what it hides: a server behind the target may decode more than once. */
const DECODED_TIMES = 3;

/** Neither empty (but at the end) nor a dot segment, with no slash, backslash or control character, however encoded. */
function isPlainSegment(segment: string, isLast: boolean): boolean {
  if (segment === "") return isLast;
  if (!segment.isWellFormed()) return false;
  let text = segment;
  for (let times = 0; times < DECODED_TIMES; times++) {
    const decoded = decode(text);
    // What cannot be decoded again hides nothing more; at the first time it is no path.
    if (decoded === undefined) return times > 0;
    // Some servers read `..;x` as `..`.
    if (/[/\\\p{Cc}]/u.test(decoded) || /^\.{1,2}(?:;|$)/.test(decoded)) return false;
    text = decoded;
  }
  return true;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** What RFC 3986 section 3.4 does not let into a query is encoded, and a percent sign that begins nothing. */
function encodeQuery(query: string): string {
  return query
    .replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@%/?]/gu, (char) =>
      char.isWellFormed() ? encodeURIComponent(char) : "%EF%BF%BD",
    )
    .replace(/%(?![0-9A-Fa-f]{2})/g, "%25");
}

/** As a browser reads it, whatever the steps above have let pass: the last word. */
function isWithin(text: string, target: Target, fixedPath: string): boolean {
  const [made, own] = [URL.parse(text), URL.parse(`${target.authority}/${target.fragment}`)];
  const prefix = URL.parse(`${target.authority}${fixedPath}`)?.pathname;
  if (!made || !own || prefix === undefined || !/^[\x21-\x7e]+$/.test(text)) return false;
  const isSame = (["protocol", "host", "username", "password", "hash"] as const).every(
    (part) => made[part] === own[part],
  );
  return isSame && made.pathname.startsWith(prefix);
}
