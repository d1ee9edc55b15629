// Puts an app on a port: Bun's own router answers redirects raw, everything else goes through the app.

import type { BunRequest, Server } from "bun";
import { badRequest, type DeadletterError, messageOf } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { GuardedListener } from "./connection-guard.ts";
import { errorResponse } from "./error.ts";
import { openExchange, rememberPeer } from "./exchange.ts";
import { type Naming, rawRedirect } from "./redirect.ts";
import type { Service } from "./service.ts";

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

export interface Listener extends GuardedListener {
  readonly port: number;
  /** Stops accepting; resolves when open requests have been answered, or cuts all connections. */
  stop(isForced?: boolean): Promise<void>;
}

/** Throws bad_request when the address cannot be listened on. Port 0 takes a free one. */
export function listen(service: Service, app: App, { host, port, isShared, hasRedirects = true }: Listen): Listener {
  // HTTP/1.0 asks for no Host (RFC 9112 section 3.2), and without one Bun's request has no whole URL.
  const answer = (raw: Request, server: Server<undefined>) => {
    const isWhole = raw.headers.has("host") || URL.canParse(raw.url);
    const request = isWhole ? raw : new Request(new URL(raw.url, "http://localhost").href, raw);
    rememberPeer(request, {
      address: () => server.requestIP(raw)?.address ?? "",
      allowIdle: (seconds) => server.timeout(raw, seconds),
    });
    return app.fetch(request);
  };
  // `/:code` shadows every path of one segment, so each of the app's own is a route of its own.
  const fixed = app.routes.map(({ path }) => path).filter((path) => /^\/[^/:]+$/.test(path));
  const open = (at: number) =>
    Bun.serve({
      hostname: host,
      port: at,
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
        return errorResponse(service, openExchange(request, service.core.clock.monotonic()), error);
      },
    });
  try {
    return keepListening(open(port), open);
  } catch (error) {
    throw cannotListen(host, port, error);
  }
}

/** A server that can be paused: Bun's cannot accept again once it has stopped, so another takes its port. */
function keepListening(first: Server<undefined>, open: (port: number) => Server<undefined>): Listener {
  const port = first.port ?? 0;
  let current: Server<undefined> | undefined = first;
  /** Stopped; connections that were open then may be still. */
  const former: Server<undefined>[] = [];
  return {
    port,
    closeIdle() {
      for (const server of [...former, current]) server?.closeIdleConnections();
    },
    pause() {
      if (!current) return;
      void current.stop();
      former.push(current);
      current = undefined;
      if (former.length > LIMITS.formerListeners) void former.shift()?.stop(true);
    },
    resume() {
      try {
        current ??= open(port);
        return true;
      } catch {
        // The port may be another's for a moment; it is tried again.
        return false;
      }
    },
    async stop(isForced = false) {
      await Promise.all([...former, ...(current ? [current] : [])].map((server) => server.stop(isForced)));
    },
  };
}

/** By path, each with the parameter that names the link. */
function redirectRoutes(
  service: Service,
): Record<string, { GET: (request: BunRequest, server: Server<undefined>) => Response | Promise<Response> }> {
  const follow = (parameter: "code" | "link", naming: Naming) => ({
    GET: (request: BunRequest, server: Server<undefined>) =>
      rawRedirect(service, { request, server }, (request.params as Record<string, string>)[parameter] ?? "", naming),
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
