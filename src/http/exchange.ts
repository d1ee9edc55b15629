// One request on its way: who asks, from where, under which number. Kept beside the request for as long as it lives.

import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { eventNameOf } from "../model/event.ts";
import { randomRequestId } from "../runtime/random.ts";
import { clientAddress } from "./client.ts";
import type { LimitName } from "./rate-limit.ts";
import type { Service } from "./service.ts";

/** What a handler may set of its answer beside the body. */
export interface Answer {
  headers: Record<string, string | number>;
  status?: number | string;
}

/** One request on its way; lives as long as the request does. */
export interface Exchange {
  readonly requestId: string;
  readonly startedMs: number;
  /** The route's template, for metrics; a closed set. */
  route: string;
  caller: Caller | undefined;
  /** The name of the event that it wrote, as GET /events/{id} takes it. */
  event: string | undefined;
  /** The client's address, once somebody has asked for it. */
  client: string | undefined;
  /** Whether the answer has its number, its headers and its line in the log already, as a redirect's has. */
  isFinished: boolean;
  /** Whether the handler reads the body itself. */
  isStreamed: boolean;
}

const exchanges = new WeakMap<Request, Exchange>();

export function openExchange(request: Request, startedMs: number): Exchange {
  const exchange: Exchange = {
    requestId: requestIdOf(request),
    startedMs,
    route: "unknown",
    caller: undefined,
    event: undefined,
    client: undefined,
    isFinished: false,
    isStreamed: false,
  };
  exchanges.set(request, exchange);
  return exchange;
}

export function exchangeOf(request: Request): Exchange {
  const exchange = exchanges.get(request);
  if (!exchange) throw new Error("a request was handled that was never taken up");
  return exchange;
}

/** Says in the request's log line which event came of it. */
export function noteEvent(
  request: Request,
  type: string,
  { id, version }: { readonly id: number; readonly version: number },
): void {
  exchangeOf(request).event = eventNameOf({ subject_type: type, subject_id: id, version });
}

/** The connection a request came over: whoever takes it off the wire says so. */
interface Peer {
  readonly address: () => string;
  /** How long nothing need come or go over it before it is closed. */
  readonly allowIdle?: (seconds: number) => void;
}

const peers = new WeakMap<Request, Peer>();

export function rememberPeer(request: Request, peer: Peer): void {
  peers.set(request, peer);
}

/** For a request that may have to wait; at most 255 s. */
export function allowIdle(request: Request, seconds: number): void {
  peers.get(request)?.allowIdle?.(seconds);
}

/** The client's address; empty where the request came over no connection, as a command's own. */
export function clientOf({ clients }: Service, request: Request): string {
  const exchange = exchangeOf(request);
  exchange.client ??= clientAddress(peers.get(request)?.address() ?? "", request.headers, clients.trusted);
  return exchange.client;
}

/** Counts one against a limit that is on; none of a command's in its own process, who is empty. Throws too_many_requests. */
export function takeFrom({ limits, metrics }: Service, name: LimitName, who: string): void {
  if (who === "") return;
  try {
    limits[name]?.take(who);
  } catch (error) {
    metrics.rateLimited.inc({ limit: name });
    throw error;
  }
}

/** Who asks. Only handlers of guarded routes call it, so a missing caller is a route that was never guarded. */
export function callerOf(request: Request): Caller {
  const { caller } = exchangeOf(request);
  if (!caller) throw new Error("a handler asked for the caller of a public route");
  return caller;
}

/** The client's own id where it is 1 to LIMITS.requestIdChars visible ASCII characters, else a fresh one. */
export function requestIdOf(request: Request): string {
  const given = request.headers.get("x-request-id");
  return given !== null && isRequestId(given) ? given : randomRequestId();
}

export function isRequestId(text: string): boolean {
  return text.length <= LIMITS.requestIdChars && /^[\x21-\x7e]+$/.test(text);
}
