// The public's one route: a code becomes a 302, or a JSON 404 that says why not.

import { DeadletterError } from "../errors.ts";
import { isCode } from "../model/url.ts";
import type { Destination, Found } from "../redirect/follow.ts";
import { customerOf } from "./client.ts";
import { errorResponse } from "./error.ts";
import { clientOf, exchangeOf, openExchange, rememberPeer, requestIdOf, type Service, takeFrom } from "./service.ts";

const NEVER_CACHED = "private, no-store";

/** What a path segment may name: `/{code}` and `/r/{code}` only a code, `/urls/{code or id}/redirect` also an id. */
export type Naming = "code" | "code-or-id";

/** Answers GET and HEAD; both are counted, apart. Throws not_found, or unavailable when the store must be asked and is down. */
export async function redirect(service: Service, request: Request, name: string, naming: Naming): Promise<Response> {
  const destination = await find(service, name, naming);
  if (destination.outcome === "found") return found(service, request, destination);
  service.metrics.redirects[destination.outcome] += 1;
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
  // Only where it is needed is it asked who comes: that costs a microsecond.
  if (limits.redirects !== undefined) return rawRedirectSlowly(service, { request, server }, name, naming);
  const known = naming === "code" ? redirects.follower.followNow(name, core.clock()) : undefined;
  return known?.outcome === "found"
    ? found(service, request, known)
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
  rememberPeer(request, () => server.requestIP(request)?.address ?? "");
  const exchange = openExchange(request);
  exchange.route = "redirect";
  try {
    takeFrom(service, "redirects", customerOf(clientOf(service, request)));
    // What is found is logged where it is answered.
    return await redirect(service, request, name, naming);
  } catch (error) {
    return finish(service, request, errorResponse(service, exchange, error));
  }
}

async function find({ redirects, core, metrics }: Service, name: string, naming: Naming): Promise<Destination> {
  const { follower } = redirects;
  try {
    if (naming === "code-or-id") return await follower.followAny(name, core.clock);
    // What cannot be a code is not looked up.
    if (!isCode(name)) return { outcome: "missing" };
    return follower.followNow(name, core.clock()) ?? (await follower.follow(name, core.clock));
  } catch (error) {
    metrics.redirects.error += 1;
    throw error;
  }
}

function found({ metrics, clicks, log, isDraining }: Service, request: Request, { urlId, location }: Found): Response {
  metrics.redirects.found += 1;
  clicks.add(urlId, request);
  const requestId = requestIdOf(request);
  log.redirect(requestId, request.method);
  const response = new Response(null, {
    status: 302,
    headers: { location, "cache-control": NEVER_CACHED, "x-request-id": requestId },
  });
  if (isDraining()) response.headers.set("connection", "close");
  return response;
}

/** Numbers an answer and logs its request. */
export function finish(service: Service, request: Request, response: Response): Response {
  const { requestId, route, startedMs, caller } = exchangeOf(request);
  // A redirect that was found has its number, and its line in the log.
  if (response.headers.has("x-request-id")) return response;
  response.headers.set("x-request-id", requestId);
  // Nothing here is a page: no browser is to guess that it is one, or to run anything of it.
  response.headers.set("x-content-type-options", "nosniff");
  response.headers.set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
  // What only some may see, and what may be mended in a moment, is for no cache on the way (RFC 9111 section 5.2.2.5).
  if ((caller !== undefined || response.status >= 400) && !response.headers.has("cache-control"))
    response.headers.set("cache-control", "no-store");
  // Who is told so sends its next request over another connection, to another server (RFC 9112 section 9.6).
  if (service.isDraining()) response.headers.set("connection", "close");
  service.log.info("request", {
    request_id: requestId,
    method: request.method.slice(0, 20),
    route,
    status: response.status,
    ms: Math.round((performance.now() - startedMs) * 1000) / 1000,
    ...(caller ? { user_id: caller.userId, key_id: caller.keyId } : {}),
    client: service.clients.inLog?.(clientOf(service, request)) || undefined,
  });
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
