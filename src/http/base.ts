// The hooks every request passes, in this order: Host, path and method, key, body, and at the end the answer's number and log line.

import { Elysia } from "elysia";
import { badRequest, notFound } from "../errors.ts";
import { authorize } from "./auth.ts";
import { readJsonBody } from "./body.ts";
import { errorResponse } from "./error.ts";
import { exchangeOf, openExchange } from "./exchange.ts";
import { finish } from "./finish.ts";
import { classOf } from "./metrics.ts";
import type { RouteTable } from "./route-table.ts";
import type { Service } from "./service.ts";

/** Until the table is filled nothing is answered. */
export function createBase(service: Service, table: RouteTable) {
  // `void`, or Elysia would add a Response to what each route is typed to answer.
  const failed: (thrown: { error: unknown; request: Request }) => void = ({ error, request }) =>
    errorResponse(service, exchangeOf(request), error);
  return new Elysia({ strictPath: true, normalize: false, handler: { standardHostname: false } })
    .wrap((answer) => async (request: Request) => {
      const exchange = openExchange(request, service.core.clock.monotonic());
      let response: Response;
      try {
        checkHost(request);
        response = await answerOf(answer, request);
      } catch (error) {
        response = errorResponse(service, exchange, error);
      }
      const { route } = exchange;
      const { status } = response;
      const method = knownMethod(request.method);
      const seconds = (service.core.clock.monotonic() - exchange.startedMs) / 1000;
      service.metrics.httpRequests.inc({ method, route, status });
      service.metrics.httpSeconds.observe({ method, route, class: classOf(status) }, seconds);
      return finish(service, request, response);
    })
    .onRequest(async ({ request }) => {
      const exchange = exchangeOf(request);
      const { pathname } = new URL(request.url);
      const match = isDecodable(pathname) ? table.access?.match(request.method, pathname) : undefined;
      if (!match) throw notFound("there is nothing at this path");
      exchange.route = match.template;
      exchange.isStreamed = match.isStreamed;
      if (match.needs !== "public") exchange.caller = await authorize(service, request, exchange, match.needs);
    })
    .onParse(({ request }) => (exchangeOf(request).isStreamed ? {} : readJsonBody(request)))
    .onError(failed);
}

/** Elysia types what it hands to wrap() by what the function returns. */
async function answerOf(answer: (...values: never[]) => unknown, request: Request): Promise<Response> {
  return (await Reflect.apply(answer, undefined, [request])) as Response;
}

const HOST = /^(?:\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::\d{1,5})?$/i;

/** RFC 9112 section 3.2: a request with a Host that is none gets a 400. Past this, the request's URL can be parsed. */
function checkHost(request: Request): void {
  const host = request.headers.get("host");
  if ((host !== null && !HOST.test(host)) || !URL.canParse(request.url)) throw badRequest("Host: is not a valid host");
}

/** Whether the path's percent-encoding is well-formed: Elysia's router throws a bare URIError where it is not. */
function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/** A closed set: a method is whatever a client likes to send. */
function knownMethod(method: string): string {
  return ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].includes(method) ? method : "other";
}
