// How the text of a setting becomes its value. Each throws a RangeError that says what is wrong, without repeating a secret.

import { isIP } from "node:net";
import { LOG_LEVELS, type LogLevel } from "../runtime/logger.ts";
import { parseDatabaseUrl } from "./database-url.ts";

export function readInteger(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || value < least || value > most)
      throw new RangeError(`${JSON.stringify(text)} is not an integer from ${least} to ${most}`);
    return value;
  };
}

/** Milliseconds from `500ms`, `1s`, `10m`, `2h` or a bare 0. */
export function readDuration(leastMs: number, mostMs: number): (text: string) => number {
  return (text) => {
    const match = /^(\d{1,9})(ms|s|m|h)$/.exec(text === "0" ? "0ms" : text);
    const ms = Number(match?.[1]) * (UNITS_MS[match?.[2] ?? ""] ?? Number.NaN);
    if (!(ms >= leastMs && ms <= mostMs))
      throw new RangeError(
        `${JSON.stringify(text)} is not a duration such as 500ms, 1s or 10m, from ${leastMs}ms to ${mostMs}ms`,
      );
    return ms;
  };
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

export function readBoolean(text: string): boolean {
  const lower = text.toLowerCase();
  if (["true", "1", "yes", "on"].includes(lower)) return true;
  if (["false", "0", "no", "off"].includes(lower)) return false;
  throw new RangeError(`${JSON.stringify(text)} is neither true nor false`);
}

export function readChoice<Choice extends string>(...choices: readonly Choice[]): (text: string) => Choice {
  return (text) => {
    const choice = choices.find((each) => each === text.toLowerCase());
    if (choice === undefined) throw new RangeError(`${JSON.stringify(text)} is not one of ${choices.join(", ")}`);
    return choice;
  };
}

export function readLogLevel(text: string): LogLevel {
  return readChoice(...LOG_LEVELS)(text);
}

/** As it was given: parseDatabaseUrl() finds nothing wrong with it. */
export function readDatabaseUrl(text: string): string {
  parseDatabaseUrl(text);
  return text;
}

export function readBaseUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "" || url.username !== "")
    throw new RangeError(
      `${text.includes("@") ? "it" : JSON.stringify(text)} is not an address such as https://go.example.com`,
    );
  return url.href.replace(/\/+$/, "");
}

/** A page that people are sent to. */
export function readTarget(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== "")
    throw new RangeError(
      `${text.includes("@") ? "it" : JSON.stringify(text)} is not an address such as https://example.com/about`,
    );
  return url.href;
}

export function readPageName(text: string): string {
  const name = text.trim();
  if (name === "" || [...name].length > 60 || /\p{Cc}/u.test(name) || !name.isWellFormed())
    throw new RangeError("a name has 1 to 60 characters, and no control characters");
  return name;
}

/** As CSS has it, in the one spelling that cannot be anything else. */
export function readColor(text: string): string {
  if (!/^#[0-9a-f]{6}$/i.test(text)) throw new RangeError(`${JSON.stringify(text)} is not a color such as #b3261e`);
  return text.toLowerCase();
}

export function readListen(text: string): { host: string; port: number } {
  const match = /^(.+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65_535) throw new RangeError(`${JSON.stringify(text)} is not host:port, such as 127.0.0.1:5001`);
  return { host: (match[1] ?? "").replace(/^\[(.*)\]$/, "$1"), port };
}

/** Names, each with a port where it is not the scheme's own, between commas. */
export function readHosts(text: string): readonly string[] {
  const hosts = listOf(text);
  for (const host of hosts) {
    const url = URL.parse(`http://${host}`);
    if (url?.pathname !== "/" || url.username !== "" || url.search !== "" || url.hash !== "")
      throw new RangeError(`${JSON.stringify(host)} is not a host such as go.example.com or go.example.com:8080`);
  }
  return hosts;
}

/** Networks and addresses between commas. */
export function readNetworks(text: string): readonly string[] {
  const networks = listOf(text);
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    const most = isIP(address) === 4 ? 32 : 128;
    if (isIP(address) === 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most)))
      throw new RangeError(`${JSON.stringify(network)} is not a network such as 10.0.0.0/8 or fd00::/8`);
  }
  return networks;
}

function listOf(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** What readListen reads. */
export function formatListen({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** A listen address as it stands in a URL: a wildcard is reached on this host, IPv6 in brackets (RFC 3986 section 3.2.2). */
export function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

/** `all`, `errors`, or `sampled:N`. */
export function readRedirectLines(text: string): { oneOf: number } {
  if (text === "all") return { oneOf: 1 };
  if (text === "errors") return { oneOf: 0 };
  const [, every] = /^sampled:(\d{1,9})$/.exec(text) ?? [];
  if (every === undefined || Number(every) < 1)
    throw new RangeError(`${JSON.stringify(text)} is not all, errors, or sampled:N such as sampled:100`);
  return { oneOf: Number(every) };
}

export function describeRedirectLines({ oneOf }: { readonly oneOf: number }): string {
  return oneOf === 0 ? "errors" : oneOf === 1 ? "all" : `sampled:${oneOf}`;
}

/** An address that is a secret: what is wrong with it is said without it. */
export function readWebhook(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) throw new RangeError("it is not an http or https address");
  return url.href;
}

/** Throws RangeError for what would not do as a word on a command line. */
export function readProfileName(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text))
    throw new RangeError("must be a word of letters, digits and . _ -, 64 at the most");
  return text;
}
