// The public's one route: a code becomes a redirect, or a 404 that says why not.

import { badRequest, DeadletterError, notFound } from "../errors.ts";
import { isCode, isReservedCode } from "../model/code.ts";
import { forwardTo, takesPath, type Visit } from "../model/forward.ts";
import type { CachedLink } from "../redirect/cached-link.ts";
import type { RedirectOutcome } from "../redirect/metrics.ts";
import type { Destination, Found, NotFound } from "../redirect/resolve.ts";
import { customerOf } from "./client.ts";
import { errorResponse } from "./error.ts";
import { clientOf, exchangeOf, openExchange, rememberPeer, requestIdOf, takeFrom } from "./exchange.ts";
import { finish } from "./finish.ts";
import { deadPage, wantsPage } from "./pages.ts";
import { preview } from "./preview.ts";
import type { Service } from "./service.ts";

const NEVER_CACHED = "private, no-store";

/** What a path segment may name: `/{code}` and `/r/{code}` only a code, `/urls/{code or id}/redirect` also an id. */
export type Naming = "code" | "code-or-id";

/** Answers GET and HEAD; both are counted, apart. Throws not_found, or unavailable when the store must be asked and is down. */
export async function redirect(service: Service, request: Request, name: string, naming: Naming): Promise<Response> {
  const { startedMs } = exchangeOf(request);
  if (naming === "code" && name.endsWith("+") && service.pages.isPreviewOn)
    return preview(service, request, name.slice(0, -1));
  const destination = await find(service, { name, naming, startedMs });
  if (destination.outcome === "found")
    return found(service, request, destination, { startedMs, visit: { path: "", query: queryOf(request.url) } });
  count(service, destination.outcome, startedMs);
  return refused(service, request, name, destination.outcome);
}

/**
 * The same of a path of more segments, at which nothing else is: only for links that take one. Throws not_found where nothing is,
 * whatever is known of the code.
 */
export async function redirectPath(service: Service, request: Request, code: string): Promise<Response> {
  const { startedMs } = exchangeOf(request);
  const nothing = () => notFound("there is nothing at this path");
  if (!isCode(code) || isReservedCode(code)) throw nothing();
  takeFrom(service, "redirects", customerOf(clientOf(service, request)));
  const destination = await find(service, { name: code, naming: "code", startedMs });
  const known = service.redirects.resolver.peek(code);
  if (!known || !takesPath(forwardingOf(known))) throw nothing();
  if (destination.outcome === "found") {
    const visit = { path: pathOf(request.url), query: queryOf(request.url) };
    return found(service, request, destination, { startedMs, visit });
  }
  count(service, destination.outcome, startedMs);
  return refused(service, request, code, destination.outcome);
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
  return known?.outcome === "found" && !isForwarding(known)
    ? found(service, request, known, { startedMs })
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

interface Passed {
  readonly startedMs: number;
  /** What the visitor's address says beside the code; not needed for a link that forwards nothing. */
  readonly visit?: Visit;
}

/** Throws bad_request for what a link cannot forward. */
function found(service: Service, request: Request, link: Found, { startedMs, visit }: Passed): Response {
  const { clicks, log, redirectLines, isDraining } = service;
  const location = visit && isForwarding(link) ? forwardTo(forwardingOf(link), visit) : link.location;
  if (location === undefined) {
    count(service, "refused", startedMs);
    throw badRequest("the link does not take this path or query", "it may climb, hide a slash, or be too long");
  }
  clicks.add(link.urlId, request);
  const requestId = requestIdOf(request);
  if (redirectLines.isDue()) log.redirect(requestId, request.method);
  const response = new Response(null, {
    status: link.options === undefined ? 302 : link.options.status,
    headers: {
      location,
      "cache-control": link.options === undefined ? NEVER_CACHED : cacheControlOf(link, service.core.clock.now()),
      "x-request-id": requestId,
    },
  });
  if (isDraining()) response.headers.set("connection", "close");
  count(service, "found", startedMs);
  return response;
}

function isForwarding({ options }: CachedLink): boolean {
  return options !== undefined && options.forward !== "none";
}

function forwardingOf({ location, options }: CachedLink) {
  return { location, forward: options?.forward ?? "none", queryWins: options?.queryWins ?? "target" };
}

/** Never past the moment at which the link expires. */
function cacheControlOf({ options, expiresAtMs }: Found, nowMs: number): string {
  const leftS = expiresAtMs === null ? Number.POSITIVE_INFINITY : Math.floor((expiresAtMs - nowMs) / 1000);
  const maxAgeS = Math.min(options?.maxAgeS ?? 0, leftS);
  return maxAgeS > 0 ? `private, max-age=${maxAgeS}` : NEVER_CACHED;
}

/** Throws not_found, unless a browser would rather have a page. */
function refused(service: Service, request: Request, name: string, outcome: NotFound): Response {
  const error = refusal(name, outcome, service.pages.isOn);
  if (!wantsPage(service.pages, request)) throw error;
  return finish(service, request, deadPage(service.pages, error));
}

const WHY: Readonly<Record<NotFound, (shown: string) => string>> = {
  missing: (shown) => `no link ${shown}`,
  inactive: (shown) => `link ${shown} is inactive`,
  expired: (shown) => `link ${shown} has expired`,
  not_started: (shown) => `link ${shown} has not started yet`,
};

function refusal(name: string, outcome: NotFound, isVarying: boolean): DeadletterError {
  // A 404 may be kept by caches unless it says otherwise (RFC 9110 section 15.1); this one may be true for a moment only.
  const headers = { "cache-control": NEVER_CACHED, ...(isVarying ? { vary: "Accept, Sec-Fetch-Mode" } : {}) };
  return new DeadletterError("not_found", WHY[outcome](JSON.stringify(name.slice(0, 100))), { headers });
}

/** Of an address as it came over the wire: what stands after the first `?`. */
function queryOf(url: string): string {
  const at = url.indexOf("?");
  return at === -1 ? "" : (url.slice(at + 1).split("#", 1)[0] as string);
}

/** What stands behind the code, as it came over the wire: after `/{code}/` or `/r/{code}/`. */
function pathOf(url: string): string {
  const [, path = ""] = /^[a-z]+:\/\/[^/?#]*([^?#]*)/.exec(url) ?? [];
  const segments = path.replace(/^\/+/, "").split("/");
  return segments.slice(segments[0] === "r" ? 2 : 1).join("/");
}
