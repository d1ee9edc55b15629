// The public's one route: a code becomes a 302, or a JSON 404 that says why not.

import { DeadletterError } from "../errors.ts";
import { isCode } from "../model/code.ts";
import type { RedirectOutcome } from "../redirect/metrics.ts";
import type { Destination, Found } from "../redirect/resolve.ts";
import { customerOf } from "./client.ts";
import { errorResponse } from "./error.ts";
import { clientOf, exchangeOf, openExchange, rememberPeer, requestIdOf, takeFrom } from "./exchange.ts";
import { finish } from "./finish.ts";
import type { Service } from "./service.ts";

const NEVER_CACHED = "private, no-store";

/** What a path segment may name: `/{code}` and `/r/{code}` only a code, `/urls/{code or id}/redirect` also an id. */
export type Naming = "code" | "code-or-id";

/** Answers GET and HEAD; both are counted, apart. Throws not_found, or unavailable when the store must be asked and is down. */
export async function redirect(service: Service, request: Request, name: string, naming: Naming): Promise<Response> {
  const { startedMs } = exchangeOf(request);
  const destination = await find(service, { name, naming, startedMs });
  if (destination.outcome === "found") return found(service, request, destination, startedMs);
  count(service, destination.outcome, startedMs);
  throw refusal(name, destination.outcome);
}

/**
 * The same as a raw route of Bun's, which no hook of Elysia's sees: it numbers, logs and answers errors by itself. A link that
 * is in the cache is answered without waiting for anything.
 */
export function rawRedirect(
  service: Service,
  { request, server }: Arrival,
  name: string,
  naming: Naming,
): Response | Promise<Response> {
  const { redirects, core, limits } = service;
  const startedMs = core.clock.monotonic();
  // Only where it is needed is it asked who comes: that costs a microsecond.
  if (limits.redirects !== undefined) return rawRedirectSlowly(service, { request, server }, name, naming);
  const known = naming === "code" ? redirects.resolver.resolveNow(name, core.clock.now()) : undefined;
  return known?.outcome === "found"
    ? found(service, request, known, startedMs)
    : rawRedirectSlowly(service, { request, server }, name, naming);
}

/** A request and the server that took it off the wire. */
interface Arrival {
  readonly request: Request;
  readonly server: { requestIP(request: Request): { readonly address: string } | null };
}

async function rawRedirectSlowly(
  service: Service,
  { request, server }: Arrival,
  name: string,
  naming: Naming,
): Promise<Response> {
  rememberPeer(request, { address: () => server.requestIP(request)?.address ?? "" });
  const exchange = openExchange(request, service.core.clock.monotonic());
  exchange.route = "redirect";
  try {
    takeFrom(service, "redirects", customerOf(clientOf(service, request)));
    // What is found is logged where it is answered.
    return await redirect(service, request, name, naming);
  } catch (error) {
    return finish(service, request, errorResponse(service, exchange, error));
  }
}

interface Asked {
  readonly name: string;
  readonly naming: Naming;
  readonly startedMs: number;
}

async function find(service: Service, { name, naming, startedMs }: Asked): Promise<Destination> {
  const { core } = service;
  const { resolver } = service.redirects;
  try {
    if (naming === "code-or-id") return await resolver.resolveAny(name);
    // What cannot be a code is not looked up.
    if (!isCode(name)) return { outcome: "missing" };
    return resolver.resolveNow(name, core.clock.now()) ?? (await resolver.resolve(name));
  } catch (error) {
    count(service, "error", startedMs);
    throw error;
  }
}

function count({ redirects, core }: Service, outcome: RedirectOutcome, startedMs: number): void {
  redirects.counts.answers[outcome].observe((core.clock.monotonic() - startedMs) / 1000);
}

function found(service: Service, request: Request, { urlId, location }: Found, startedMs: number): Response {
  const { clicks, log, redirectLines, isDraining } = service;
  clicks.add(urlId, request);
  const requestId = requestIdOf(request);
  if (redirectLines.isDue()) log.redirect(requestId, request.method);
  const response = new Response(null, {
    status: 302,
    headers: { location, "cache-control": NEVER_CACHED, "x-request-id": requestId },
  });
  if (isDraining()) response.headers.set("connection", "close");
  count(service, "found", startedMs);
  return response;
}

function refusal(name: string, outcome: "missing" | "inactive" | "expired") {
  const shown = JSON.stringify(name.slice(0, 100));
  const message = {
    missing: `no link ${shown}`,
    inactive: `link ${shown} is inactive`,
    expired: `link ${shown} has expired`,
  };
  // A 404 may be kept by caches unless it says otherwise (RFC 9110 section 15.1); this one may be true for a moment only.
  return new DeadletterError("not_found", message[outcome], { headers: { "cache-control": NEVER_CACHED } });
}
