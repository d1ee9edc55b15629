// What is kept of who clicked: kind, device class and referring host, each from a short list or bounded. Never an address.

import { isbot } from "isbot";
import { LIMITS } from "../limits.ts";
import type { ClickKind } from "../store/queries/clicks.ts";

export interface Visitor {
  readonly kind: ClickKind;
  readonly device: "desktop" | "mobile" | "tablet" | "other";
  /** The referring host, empty for none, `other` where too many are known already. */
  readonly referrer: string;
}

/** Gives the same visitor the same small number, so that counting one more costs a lookup by number. */
export class VisitorTable {
  readonly #agents = new Map<string, { readonly isBot: boolean; readonly device: Visitor["device"] }>();
  readonly #hosts = new Map<string, string>();
  readonly #numbers = new Map<string, number>();
  readonly #visitors: Visitor[] = [];
  /** Number of the plainest visitor of each kind: no agent, no referrer. */
  readonly #plain = new Map<ClickKind, number>();

  /** A number below LIMITS.visitors. */
  numberOf(request: Request): number {
    const { headers } = request;
    const agent = headers.get("user-agent");
    const referer = headers.get("referer");
    const purpose = headers.get("sec-purpose");
    if (agent === null && referer === null && purpose === null) {
      const kind = request.method === "HEAD" ? "head" : "click";
      const known = this.#plain.get(kind);
      if (known !== undefined) return known;
      const number = this.#number({ kind, device: "other", referrer: "" });
      this.#plain.set(kind, number);
      return number;
    }
    const { isBot, device } = this.#agent(agent ?? "");
    const kind = request.method === "HEAD" ? "head" : isPrefetch(purpose) ? "prefetch" : isBot ? "bot" : "click";
    return this.#number({ kind, device, referrer: referer === null ? "" : this.#host(referer) });
  }

  visitor(number: number): Visitor {
    return this.#visitors[number] ?? { kind: "click", device: "other", referrer: "other" };
  }

  #number(visitor: Visitor): number {
    const name = `${visitor.kind} ${visitor.device} ${visitor.referrer}`;
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    // Sixteen places are kept for what is left when every other is taken: each kind and device without its referrer.
    if (this.#visitors.length >= LIMITS.visitors - 16 && visitor.referrer !== "other")
      return this.#number({ ...visitor, referrer: "other" });
    this.#visitors.push(visitor);
    this.#numbers.set(name, this.#visitors.length - 1);
    return this.#visitors.length - 1;
  }

  #agent(agent: string) {
    const known = this.#agents.get(agent);
    if (known) return known;
    if (this.#agents.size >= LIMITS.visitorTexts) this.#agents.clear();
    const text = agent.slice(0, LIMITS.agentChars);
    const read = { isBot: isbot(text), device: deviceOf(text) };
    this.#agents.set(agent, read);
    return read;
  }

  #host(referer: string): string {
    const known = this.#hosts.get(referer);
    if (known !== undefined) return known;
    if (this.#hosts.size >= LIMITS.visitorTexts) this.#hosts.clear();
    const host = (URL.parse(referer)?.hostname ?? "").slice(0, LIMITS.referrerChars);
    this.#hosts.set(referer, host);
    return host;
  }
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
