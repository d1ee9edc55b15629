// Where a link may lead: an absolute http or https URL, and never back to this server. Pure.

import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { unmapIpv4 } from "./address.ts";
import { hasControlCharacter } from "./text.ts";

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
  // Browsers end the host there, all others take what follows for the host: a link must lead to one place.
  if (/^https?:\/\/[^/?#]*\\/i.test(url))
    throw badRequest(`original_url: cannot shorten ${quote(url)}: a host must not contain a backslash`);
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

/** What a Location header says of a stored target: itself where it is visible ASCII, else as the WHATWG URL standard writes it. */
export function locationOf(originalUrl: string): string {
  return /^[\x21-\x7e]+$/.test(originalUrl)
    ? originalUrl
    : (URL.parse(originalUrl)?.href ?? encodeURI(originalUrl.toWellFormed()));
}

/** The same of a template, whose braces stay: everything else that is no visible ASCII is encoded, the host as a browser writes it. */
export function templateLocationOf(originalUrl: string): string {
  if (/^[\x21-\x7e]+$/.test(originalUrl)) return originalUrl;
  const [, rest = ""] = /^https?:\/\/[^/?#\\]*(.*)$/is.exec(originalUrl) ?? [];
  const { protocol = "", username = "", password = "", host = "" } = URL.parse(originalUrl) ?? {};
  const login = username === "" ? "" : `${username}${password === "" ? "" : `:${password}`}@`;
  return `${protocol}//${login}${host}${rest.toWellFormed().replace(/[^\x21-\x7e]+/gu, encodeURIComponent)}`;
}

/** A host that parsing leaves as it is: lower case, ASCII, and no number at its end, which would make it an IPv4 address. */
const PLAIN_HOST = /^https?:\/\/((?:[a-z0-9][a-z0-9-]*\.)*[a-z]{2,})(?:[:/?#]|$)/;

/** The host a target leads to, as it is looked up: lower case, in ASCII, without a dot at its end; null where it has none. */
export function hostOf(originalUrl: string): string | null {
  const plain = PLAIN_HOST.exec(originalUrl)?.[1];
  if (plain !== undefined && !plain.includes("xn--")) return plain;
  const host = URL.parse(originalUrl)?.hostname.replace(/\.+$/, "");
  return host === undefined || host === "" ? null : host;
}

function quote(url: string): string {
  return JSON.stringify(url.length > 100 ? `${url.slice(0, 100)}...` : url);
}
