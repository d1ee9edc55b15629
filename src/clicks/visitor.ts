// What is kept of who clicked: kind, device class and referring host, each from a short list or bounded. Never an address.

import { isbot } from "isbot";
import { LIMITS } from "../limits.ts";
import type { ClickKind } from "../store/queries/clicks.ts";
import { TextCache } from "./text-cache.ts";

export interface Visitor {
  readonly kind: ClickKind;
  readonly device: "desktop" | "mobile" | "tablet" | "other";
  /** The referring host, empty for none, `other` where too many are known already. */
  readonly referrer: string;
}

/** The numbers of a referring host's visitors, by kind and device; -1 where there has been none since the table was emptied. */
interface Host {
  readonly name: string;
  readonly numbers: Int16Array;
}

const KINDS: readonly ClickKind[] = ["click", "bot", "prefetch", "head"];
const DEVICES: readonly Visitor["device"][] = ["desktop", "mobile", "tablet", "other"];
const COMBINATIONS = KINDS.length * DEVICES.length;

/**
 * Gives visitors small numbers, so that counting one more costs a lookup by number. A visitor may get more than one, where
 * texts push one another out of a cache: whoever records them adds them up.
 */
export class VisitorTable {
  readonly #agents = new TextCache(LIMITS.visitorTexts, LIMITS.agentChars, readAgent);
  /** By scheme and host as a header had them, and by host. */
  readonly #origins = new TextCache(LIMITS.visitorTexts, LIMITS.originChars, (origin) =>
    this.#hosts.get(hostOf(origin)),
  );
  readonly #hosts = new TextCache(LIMITS.visitorTexts, LIMITS.referrerChars, newHost);
  readonly #visitors: Visitor[] = [];
  #longChars = 0;
  #none = newHost("");
  /** Of all hosts that come while the table is full. */
  #other = newHost("other");

  /** A number below LIMITS.visitors. */
  numberOf(request: Request): number {
    const { headers } = request;
    const agent = headers.get("user-agent");
    const referer = headers.get("referer");
    const purpose = headers.get("sec-purpose");
    this.#weigh((agent?.length ?? 0) + (referer?.length ?? 0));
    const { isBot, device } = agent === null ? NOBODY : this.#agents.get(agent);
    const kind = request.method === "HEAD" ? HEAD : isPrefetch(purpose) ? PREFETCH : isBot ? BOT : CLICK;
    const host = referer === null ? this.#none : this.#origins.get(originOf(referer));
    return this.#numberAt(host, kind * DEVICES.length + device);
  }

  /**
   * Headers of many kilobytes are garbage at once, but are collected late: a flood of them took the process from 140 to 240 MiB.
   * Collecting after each so many bytes of them keeps it where it was, and costs such a flood 5 % of its rate (bench/flood.ts).
   */
  #weigh(chars: number): void {
    if (chars < LIMITS.longHeaderChars) return;
    this.#longChars += chars;
    if (this.#longChars < LIMITS.longHeaderGarbageBytes) return;
    this.#longChars = 0;
    Bun.gc(true);
  }

  visitor(number: number): Visitor {
    return this.#visitors[number] ?? { kind: "click", device: "other", referrer: "other" };
  }

  get isFull(): boolean {
    return this.#visitors.length >= LIMITS.visitors - 2 * COMBINATIONS;
  }

  /** Forgets all numbers, once nothing counts by them any more; what is remembered of agents stays. */
  empty(): void {
    this.#visitors.length = 0;
    this.#origins.clear();
    this.#hosts.clear();
    this.#none = newHost("");
    this.#other = newHost("other");
  }

  #numberAt(host: Host, combination: number): number {
    const known = host.numbers[combination] as number;
    if (known !== -1) return known;
    // Places are kept for what is left when every other is taken: each kind and device without its referrer.
    if (this.isFull && host !== this.#none && host !== this.#other) return this.#numberAt(this.#other, combination);
    const number = this.#visitors.length;
    this.#visitors.push({
      kind: KINDS[Math.floor(combination / DEVICES.length)] ?? "click",
      device: DEVICES[combination % DEVICES.length] ?? "other",
      referrer: host.name,
    });
    host.numbers[combination] = number;
    return number;
  }
}

const [CLICK, BOT, PREFETCH, HEAD] = [0, 1, 2, 3];
const NOBODY: Agent = { isBot: false, device: DEVICES.indexOf("other") };

interface Agent {
  readonly isBot: boolean;
  /** Its place in DEVICES. */
  readonly device: number;
}

function readAgent(agent: string): Agent {
  return { isBot: isbot(agent), device: DEVICES.indexOf(deviceOf(agent)) };
}

function newHost(name: string): Host {
  return { name, numbers: new Int16Array(COMBINATIONS).fill(-1) };
}

/** Up to where a path, a query or a fragment would begin: all that tells one referrer from another here. */
function originOf(referer: string): string {
  const end = referer.indexOf("/", referer.indexOf("//") + 2);
  return end === -1 ? referer : referer.slice(0, end);
}

function hostOf(origin: string): string {
  return URL.parse(origin)?.hostname ?? "";
}

/** Sec-Purpose: prefetch (Fetch standard, section 3.7; a structured item, so parameters may follow). */
function isPrefetch(purpose: string | null): boolean {
  return purpose !== null && /^prefetch\b/.test(purpose);
}

function deviceOf(agent: string): Visitor["device"] {
  if (/iPad|Tablet|PlayBook|Silk(?!.*Mobile)|Android(?!.*Mobile)/i.test(agent)) return "tablet";
  if (/Mobi|iPhone|iPod|Android|Windows Phone/i.test(agent)) return "mobile";
  return /Windows NT|Macintosh|X11|CrOS|Linux/i.test(agent) ? "desktop" : "other";
}
