// The last thing done to every answer but a redirect's: its number, the headers all have, its line in the log.

import { clientOf, exchangeOf } from "./exchange.ts";
import type { Service } from "./service.ts";

/** Numbers an answer and logs its request. */
export function finish(service: Service, request: Request, response: Response): Response {
  const { requestId, route, startedMs, caller, event, isFinished } = exchangeOf(request);
  if (isFinished) return response;
  response.headers.set("x-request-id", requestId);
  // No browser is to guess that an answer is a page, or to run anything of it; the one page there is says what it needs.
  response.headers.set("x-content-type-options", "nosniff");
  if (!response.headers.has("content-security-policy"))
    response.headers.set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
  // What only some may see, and what may be mended in a moment, is for no cache on the way (RFC 9111 section 5.2.2.5).
  if ((caller !== undefined || response.status >= 400) && !response.headers.has("cache-control"))
    response.headers.set("cache-control", "no-store");
  // Who is told so sends its next request over another connection, to another server (RFC 9112 section 9.6).
  if (service.isDraining()) response.headers.set("connection", "close");
  if (route === "redirect" && response.status < 500 && !service.redirectLines.isDue()) return response;
  service.log.info("request", {
    request_id: requestId,
    method: request.method.slice(0, 20),
    route,
    status: response.status,
    ms: Math.round((service.core.clock.monotonic() - startedMs) * 1000) / 1000,
    ...(caller ? { user_id: caller.userId, key_id: caller.keyId } : {}),
    event,
    client: service.clients.inLog?.(clientOf(service, request)) || undefined,
  });
  return response;
}
