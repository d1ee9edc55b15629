// Who a request comes from: the peer's address, or what proxies that are trusted say of it. Never believed from anybody else.

import { BlockList, isIP } from "node:net";
import { LIMITS } from "../limits.ts";
import { unmapIpv4 } from "../model/address.ts";

/** Who may say where a request comes from (DEADLETTER_TRUSTED_PROXIES). */
export interface TrustedProxies {
  readonly isEmpty: boolean;
  has(address: string): boolean;
}

/** Each a network such as 10.0.0.0/8 or a single address, as readNetworks() lets them through. */
export function trustProxies(networks: readonly string[]): TrustedProxies {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    const family = familyOf(address);
    list.addSubnet(address, bits === undefined ? (family === "ipv4" ? 32 : 128) : Number(bits), family);
  }
  return { isEmpty: networks.length === 0, has: (address) => list.check(address, familyOf(address)) };
}

/**
 * The address that stands for the client. From a trusted peer, what X-Forwarded-For says, or where there is none Forwarded
 * (RFC 7239): read from right to left, since each proxy adds at the right what it has seen itself; the first hop that is not
 * trusted is the client. What is no address (`unknown`, `_hidden`, nonsense) ends the walk at the hop before.
 */
export function clientAddress(peer: string, headers: Headers, trusted: TrustedProxies): string {
  let client = plainAddress(peer);
  if (trusted.isEmpty || !trusted.has(client)) return client;
  const forwardedFor = headers.get("x-forwarded-for");
  const hops = forwardedFor === null ? forwardedHops(headers.get("forwarded") ?? "") : forwardedFor.split(",");
  for (const hop of hops.slice(-LIMITS.forwardedHops).reverse()) {
    const address = plainAddress(hop.trim());
    if (isIP(address) === 0) return client;
    client = address;
    if (!trusted.has(client)) return client;
  }
  return client;
}

/** The nodes of each `for=` of a Forwarded header, in its order; empty for an element without one. */
function forwardedHops(header: string): string[] {
  const elements = header.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? [];
  return elements.map((element) => {
    const [, quoted, bare] = /(?:^|;)\s*for\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/i.exec(element.trim()) ?? [];
    return quoted?.replace(/\\(.)/g, "$1") ?? bare ?? "";
  });
}

/** An address without the port or the brackets that a header may have it in; IPv4 that is written as IPv6 is IPv4. */
function plainAddress(text: string): string {
  const bare =
    /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? (/^[\d.]+:\d+$/.test(text) ? text.replace(/:\d+$/, "") : text);
  return unmapIpv4(bare);
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

/** The network that is one customer's, as networks are given out: an IPv6 /64; an IPv4 address itself. */
export function customerOf(address: string): string {
  return isIP(address) === 6 ? groupsOf(address).slice(0, 4).join(":") : address;
}

/** An address made vaguer for a log that is kept for long: /24 of IPv4, /48 of IPv6. */
export function networkOf(address: string): string {
  const version = isIP(address);
  if (version === 4) return `${address.split(".").slice(0, 3).join(".")}.0/24`;
  return version === 6 ? `${groupsOf(address).slice(0, 3).join(":")}::/48` : address;
}

/** The eight groups of an IPv6 address, without leading zeros (RFC 5952 section 4.1). */
function groupsOf(address: string): string[] {
  const [whole = ""] = address.split("%");
  const [left = "", right] = whole.split("::");
  const before = left === "" ? [] : left.split(":");
  const after = right === undefined || right === "" ? [] : right.split(":");
  const zeros = right === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  return [...before, ...new Array<string>(zeros).fill("0"), ...after].map((group) =>
    group.includes(".") ? group : Number.parseInt(group, 16).toString(16),
  );
}
