// Puts an app on a port: Bun's own router answers redirects raw, everything else goes through the app.

import type { BunRequest, Server } from "bun";
import { badRequest, type DeadletterError, messageOf } from "../errors.ts";
import { errorResponse } from "./error.ts";
import { type Naming, rawRedirect } from "./redirect.ts";
import { openExchange, type Service } from "./service.ts";

export interface Listen {
  readonly host: string;
  readonly port: number;
  /** Whether other processes of this user may listen there as well (SO_REUSEPORT, socket(7)). */
  readonly isShared: boolean;
  readonly hasRedirects?: boolean;
}

interface App {
  readonly fetch: (request: Request) => Response | Promise<Response>;
  readonly routes: readonly { readonly path: string }[];
}

/** Throws bad_request when the address cannot be listened on. Port 0 takes a free one. */
export function listen(
  service: Service,
  app: App,
  { host, port, isShared, hasRedirects = true }: Listen,
): Server<undefined> {
  // HTTP/1.0 asks for no Host (RFC 9112 section 3.2), and without one Bun's request has no whole URL.
  const answer = (request: Request) =>
    app.fetch(
      URL.canParse(request.url) || request.headers.has("host")
        ? request
        : new Request(new URL(request.url, "http://localhost").href, request),
    );
  // `/:code` shadows every path of one segment, so each of the app's own is a route of its own.
  const fixed = app.routes.map(({ path }) => path).filter((path) => /^\/[^/:]+$/.test(path));
  try {
    return Bun.serve({
      hostname: host,
      port,
      development: false,
      reusePort: isShared,
      idleTimeout: 10,
      // The app has its own limit: Bun's would answer 413 with an empty body.
      maxRequestBodySize: 2 ** 40,
      routes: {
        ...Object.fromEntries(fixed.map((path) => [path, answer])),
        ...(hasRedirects ? redirectRoutes(service) : {}),
      },
      fetch: answer,
      error: (error) => {
        // Nothing should come here; if it does, the answer still has the one shape.
        const request = new Request("http://unknown/");
        return errorResponse(service, openExchange(request), error);
      },
    });
  } catch (error) {
    throw cannotListen(host, port, error);
  }
}

/** By path, each with the parameter that names the link. */
function redirectRoutes(
  service: Service,
): Record<string, { GET: (request: BunRequest) => Response | Promise<Response> }> {
  const follow = (parameter: "code" | "link", naming: Naming) => ({
    GET: (request: BunRequest) =>
      rawRedirect(service, request, (request.params as Record<string, string>)[parameter] ?? "", naming),
  });
  return {
    "/:code": follow("code", "code"),
    "/r/:code": follow("code", "code"),
    "/urls/:link/redirect": follow("link", "code-or-id"),
  };
}

export function cannotListen(host: string, port: number, error: unknown): DeadletterError {
  return badRequest(`cannot listen on ${host}:${port}: ${messageOf(error)}`, "choose another with --host and --port");
}
