// The link: what it is, and the rules for its address, code, title and expiry. Pure, no I/O.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { unmapIpv4 } from "./address.ts";
import type { State } from "./event.ts";
import { cleanText, hasControlCharacter } from "./text.ts";
import { formatOptionalTime, formatTime } from "./time.ts";

export const Link = Type.Object(
  {
    id: Type.Integer(),
    short_code: Type.String(),
    original_url: Type.String(),
    title: Type.String(),
    is_active: Type.Boolean(),
    expires_at: Type.Union([Type.String(), Type.Null()]),
    user_id: Type.Union([Type.Integer(), Type.Null()]),
    created_at: Type.String(),
    updated_at: Type.String(),
    version: Type.Integer(),
  },
  { $id: "Link" },
);
export type Link = Static<typeof Link>;

/** The link as a row of `urls`: portable types only, times in milliseconds. */
export interface LinkRow {
  readonly id: number;
  readonly short_code: string;
  readonly original_url: string;
  readonly title: string;
  readonly is_active: number;
  readonly expires_at_ms: number | null;
  readonly user_id: number | null;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
  readonly version: number;
  readonly head: Uint8Array;
}

/** What a redirect needs of a link, as it was at a version. */
export type Destination = Pick<
  LinkRow,
  "id" | "short_code" | "original_url" | "is_active" | "expires_at_ms" | "version"
>;

/** The same out of a link's audited state; null where it is no link's. */
export function destinationFromState(state: State | null): Destination | null {
  const { id, short_code, original_url, is_active, expires_at = null, version } = state ?? {};
  if (typeof short_code !== "string" || typeof original_url !== "string") return null;
  return {
    id: Number(id),
    short_code,
    original_url,
    is_active: is_active === true ? 1 : 0,
    expires_at_ms: expires_at === null ? null : Date.parse(String(expires_at)),
    version: Number(version),
  };
}

/** What a Location header says of a stored target: itself where it is visible ASCII, else as the WHATWG URL standard writes it. */
export function locationOf(originalUrl: string): string {
  return /^[\x21-\x7e]+$/.test(originalUrl)
    ? originalUrl
    : (URL.parse(originalUrl)?.href ?? encodeURI(originalUrl.toWellFormed()));
}

export function linkFromRow(row: LinkRow): Link {
  return {
    id: row.id,
    short_code: row.short_code,
    original_url: row.original_url,
    title: row.title,
    is_active: row.is_active === 1,
    expires_at: formatOptionalTime(row.expires_at_ms),
    user_id: row.user_id,
    created_at: formatTime(row.created_at_ms),
    updated_at: formatTime(row.updated_at_ms),
    version: row.version,
  };
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** First path segments that are, or may become, the server's own; compared without case. */
export const RESERVED_CODES: ReadonlySet<string> = new Set(
  `admin api assets docs events favicon health healthz help keys livez log login logout metrics openapi r readyz
   robots static stats status urls users version whoami`.split(/\s+/),
);

export function isReservedCode(code: string): boolean {
  return RESERVED_CODES.has(code.toLowerCase());
}

/** The only codes that can exist; a path segment that fails this is not looked up. */
export function isCode(text: string): boolean {
  return /^[A-Za-z0-9_-]{3,64}$/.test(text) && !/^\d+$/.test(text);
}

/** Digits that fit a safe integer: larger ids cannot exist. */
export function isId(text: string): boolean {
  return /^[0-9]{1,15}$/.test(text);
}

/** Throws bad_request unless `code` may be given to a link. */
export function checkCode(code: string): string {
  const { codeMinChars, codeMaxChars } = LIMITS;
  if (/^\d+$/.test(code)) throw badRequest("short_code: must not be all digits, which would read as an id");
  if (!isCode(code))
    throw badRequest(`short_code: must be ${codeMinChars} to ${codeMaxChars} characters of A-Z a-z 0-9 _ -`);
  if (isReservedCode(code)) throw badRequest(`short_code: "${code}" is a reserved word`);
  return code;
}

/** Six characters, at least one a letter, never a reserved word. `randomBytes` must be cryptographically secure. */
export function generateCode(randomBytes: (size: number) => Uint8Array): string {
  for (;;) {
    let code = "";
    while (code.length < LIMITS.generatedCodeChars) {
      for (const byte of randomBytes(LIMITS.generatedCodeChars)) {
        // 248 is the largest multiple of 62 below 256: bytes past it would favour the first letters.
        if (byte < 248 && code.length < LIMITS.generatedCodeChars) code += ALPHABET.charAt(byte % ALPHABET.length);
      }
    }
    if (/[A-Za-z]/.test(code) && !isReservedCode(code)) return code;
  }
}

/**
 * The target, trimmed and otherwise byte for byte as given. Throws bad_request unless it is an absolute http or https
 * URL with a host that the WHATWG URL parser accepts, at most LIMITS.urlBytes of UTF-8, and not on one of `ownHosts`.
 */
export function checkOriginalUrl(text: string, ownHosts: ReadonlySet<string>): string {
  const url = text.trim();
  if (url === "") throw badRequest("original_url: must not be empty");
  // Control characters first: the URL parser strips tabs and newlines, which would smuggle them into a header.
  if (hasControlCharacter(url)) throw badRequest("original_url: must not contain control characters");
  if (!url.isWellFormed()) throw badRequest("original_url: must be well-formed Unicode, without lone surrogates");
  if (Buffer.byteLength(url) > LIMITS.urlBytes)
    throw badRequest(`original_url: must be at most ${LIMITS.urlBytes} bytes`);
  const parsed = URL.parse(url);
  if (parsed !== null && parsed.protocol !== "http:" && parsed.protocol !== "https:")
    throw badRequest(`original_url: cannot shorten ${quote(url)}: the scheme must be http or https`);
  // `https:host` and `https:/host` parse, yet browsers read them as relative to the page they stand on.
  if (parsed === null || !/^https?:\/\/[^/\\]/i.test(url))
    throw badRequest(
      `original_url: cannot shorten ${quote(url)}: it must be an absolute URL such as https://example.com/page`,
    );
  if (ownHosts.has(hostKey(parsed)))
    throw badRequest(`original_url: cannot shorten ${quote(url)}: it points at this server's own redirect host`);
  return url;
}

/**
 * A host for comparison: without dots at its end, without a port that a browser would leave out in http or https, and one
 * name for all that lead back to the machine itself.
 */
function hostKey(url: URL): string {
  const name = unmapIpv4(url.hostname.replace(/\.+$/, "").replace(/^\[(::ffff:.+)\]$/, "$1"));
  const host = isLoopback(name) ? LOOPBACK : name;
  return url.port === "" || url.port === "80" || url.port === "443" ? host : `${host}:${url.port}`;
}

const LOOPBACK = "localhost";

/**
 * Of a name as the WHATWG URL parser writes it: localhost and all below it (RFC 6761 section 6.3), 127.0.0.0/8, ::1, the
 * wildcards, which connect to the machine itself, and IPv4 written as IPv6.
 */
export function isLoopback(name: string): boolean {
  return (
    /^(?:.+\.)?localhost$/.test(name) ||
    /^127\.\d+\.\d+\.\d+$/.test(name) ||
    ["0.0.0.0", "[::]", "[::1]"].includes(name)
  );
}

/** Hosts of which a link to one is a link to this server: what it is told, and its listeners' own names. */
export function ownHostsOf(
  baseUrl: string,
  listeners: readonly { readonly host: string; readonly port: number }[],
  aliases: readonly string[],
): ReadonlySet<string> {
  const addresses = listeners.map(({ host, port }) => `http://${host.includes(":") ? `[${host}]` : host}:${port}`);
  const urls = [baseUrl, ...addresses, ...aliases.map((alias) => `http://${alias}`)];
  return new Set(urls.flatMap((text) => URL.parse(text) ?? []).map(hostKey));
}

export function checkTitle(text: string): string {
  return cleanText("title", text, LIMITS.titleChars);
}

function quote(url: string): string {
  return JSON.stringify(url.length > 100 ? `${url.slice(0, 100)}...` : url);
}
