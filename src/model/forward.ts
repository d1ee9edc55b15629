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
const PARTS = /^(https?:\/\/[^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/is;
const PLACES = /\{(?:([1-9])|path|query)\}/g;
const PLACE = /\{(?:[1-9]|path|query)\}/;

/** Whether a link takes a path after its code. */
export function takesPath({ forward, location }: Pick<Forwarding, "forward" | "location">): boolean {
  return forward === "path" || forward === "both" || (forward === "template" && /\{(?:[1-9]|path)\}/.test(location));
}

/** Throws bad_request for a template whose places stand where a visitor must not write, or that has none. */
export function checkTemplate(originalUrl: string): void {
  const [, authority = "", path = "", query = "", fragment = ""] = PARTS.exec(originalUrl) ?? [];
  const refuse = (rule: string) => badRequest(`original_url: a template ${rule}`);
  if (placesIn(authority) > 0) throw refuse("has no place in its host");
  if (placesIn(fragment) > 0) throw refuse("has no place in its fragment");
  if (path.includes("{query}")) throw refuse("has {query} in its query alone");
  if (/%[0-9a-f]?\{(?:[1-9]|path|query)\}/i.test(originalUrl)) throw refuse("has no place behind a percent sign");
  const count = placesIn(path) + placesIn(query);
  if (count > LIMITS.templatePlaces) throw refuse(`has at most ${LIMITS.templatePlaces} places`);
  if (count === 0)
    throw badRequest(
      "original_url: a template needs a place such as {1}, {path} or {query}",
      'or forward "path", which needs none',
    );
  // What is empty must not climb, and what stands behind a place must be what a visitor could have sent.
  if (!isPlainPath(withPlaces(path).replace(PLACES, "")))
    throw refuse("has nothing but dots beside a place, nor an encoded slash behind one");
}

/** A template's path from the segment of its first place on. */
function withPlaces(path: string): string {
  const first = path.search(PLACE);
  return first === -1 ? "" : path.slice(path.lastIndexOf("/", first) + 1);
}

export function hasPlaces(text: string): boolean {
  return PLACE.test(text);
}

function placesIn(text: string): number {
  return text.match(PLACES)?.length ?? 0;
}

/** Where the visitor is sent; undefined where that would leave what the link allows, or be too long. */
export function forwardTo({ location, forward, queryWins }: Forwarding, { path, query }: Visit): string | undefined {
  const [, authority = "", ownPath = "", ownQuery = "", fragment = ""] = PARTS.exec(location) ?? [];
  const target = { authority, path: ownPath, query: ownQuery, fragment };
  // What cannot fit is not looked at.
  if (path.length + query.length > LIMITS.forwardedBytes) return undefined;
  const rest = cleanPath(path);
  if (rest === undefined || (rest !== "" && !takesPath({ forward, location }))) return undefined;
  const made = forward === "template" ? fill(target, rest, query) : append(target, rest, { forward, queryWins, query });
  // Pieces that hide nothing by themselves may do so together.
  const own = forward === "template" ? ownPath.slice(0, ownPath.length - withPlaces(ownPath).length) : undefined;
  if (own !== undefined && !isPlainPath(made.path.slice(own.length))) return undefined;
  const text = `${authority}${made.path}${made.query}${fragment}`;
  if (Buffer.byteLength(text) > LIMITS.forwardedBytes) return undefined;
  const fixed =
    forward === "template"
      ? ownPath.slice(0, ownPath.search(PLACE) === -1 ? undefined : ownPath.search(PLACE))
      : ownPath;
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
  return decode(name.replaceAll("+", " ")) ?? plain(name).toLowerCase();
}

/** Every place with what the visitor sent for it; what was not sent is empty. */
function fill({ path, query }: Target, rest: string, visitorQuery: string): Pick<Target, "path" | "query"> {
  const segments = rest.split("/");
  const given = encodeQuery(visitorQuery);
  // A value in a query stays one value: only {query} brings members of its own.
  const asValue = (value: string) => encodeURIComponent(decode(value) ?? value);
  const [values, whole] = [segments.map(asValue), asValue(rest)];
  return {
    path: path.replace(PLACES, (_, number?: string) =>
      number === undefined ? rest : (segments[Number(number) - 1] ?? ""),
    ),
    query: query.replace(PLACES, (place, number?: string) => {
      if (number !== undefined) return values[Number(number) - 1] ?? "";
      return place === "{path}" ? whole : given;
    }),
  };
}

/** The rest of a path, its characters encoded as RFC 3986 section 3.3 has them; undefined for one that would climb or hide something. */
function cleanPath(path: string): string | undefined {
  if (path === "") return "";
  const segments = path.split("/");
  const isClean = segments.every((segment, at) =>
    segment === "" ? at === segments.length - 1 : isPlainSegment(segment),
  );
  return isClean ? path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@%/]/gu, encodeURIComponent) : undefined;
}

/** Whether no segment hides anything; empty ones do not. */
function isPlainPath(path: string): boolean {
  return path.split("/").every((segment) => segment === "" || isPlainSegment(segment));
}

/** No dot segment, with no slash, backslash or control character, however encoded, and however often. */
function isPlainSegment(segment: string): boolean {
  // A percent sign that begins nothing, and bytes that UTF-8 never has, which some servers take for a dot or a slash.
  if (!segment.isWellFormed() || /%(?![0-9a-f]{2})|%(?:25)*c[01]/i.test(segment)) return false;
  for (let text = segment; ; ) {
    const decoded = plain(text);
    // Some servers read `..;x` as `..`.
    if (/[/\\\p{Cc}]/u.test(decoded) || isDots(decoded.split(";", 1)[0] as string)) return false;
    // Each time it is shorter, so this ends.
    if (decoded === text) return true;
    text = decoded;
  }
}

/** With every ASCII character that is encoded as itself; what is no such escape stays, so that none hides the next. */
function plain(text: string): string {
  return text.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function isDots(text: string): boolean {
  return text === "." || text === "..";
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
  // Others than browsers read a backslash as part of a host.
  if (!made || !own || prefix === undefined || target.authority.includes("\\") || !/^[\x21-\x7e]+$/.test(text))
    return false;
  const isSame = (["protocol", "host", "username", "password", "hash"] as const).every(
    (part) => made[part] === own[part],
  );
  return isSame && made.pathname.startsWith(prefix);
}
