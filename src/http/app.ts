// The whole route table, and the hooks every request passes: number, method, key, body, answer, log.

import { openapi } from "@elysiajs/openapi";
import { Elysia } from "elysia";
import { badRequest, notFound } from "../errors.ts";
import { NewKey } from "../model/key.ts";
import { LinkEdit, NewLink } from "../model/link.ts";
import { NewUser, UserEdit } from "../model/user.ts";
import { type AccessTable, createAccessTable, needs } from "./access.ts";
import { EntriesQuery, logHandlers } from "./audit-log.ts";
import { authorize } from "./auth.ts";
import { readJsonBody } from "./body.ts";
import { errorResponse } from "./error.ts";
import { eventHandlers, ListEventsQuery } from "./events.ts";
import { exchangeOf, openExchange } from "./exchange.ts";
import { finish } from "./finish.ts";
import { ClicksQuery, ListLinksQuery, linkHandlers, PageOnlyQuery, ReadLinkQuery, ReasonBody } from "./links.ts";
import { opsHandlers } from "./ops.ts";
import { type Naming, redirect } from "./redirect.ts";
import type { Service } from "./service.ts";
import { EraseBody, userHandlers } from "./users.ts";

export type Api = ReturnType<typeof createApi>;

/** Everything: the API and the public routes, for one listener and for commands that mount it in their own process. */
export function createApi(service: Service) {
  const links = linkHandlers(service);
  const users = userHandlers(service);
  const events = eventHandlers(service);
  const ops = opsHandlers(service);
  const log = logHandlers(service);
  const access: { table?: AccessTable } = {};
  const app = createBase(service, access)
    .use(publicRoutes(service))
    .post("/urls", links.create, { body: NewLink, ...needs("creator", "Create a link") })
    .get("/urls", links.list, { query: ListLinksQuery, ...needs("reader", "List links, newest first") })
    .get("/urls/:link", links.read, {
      query: ReadLinkQuery,
      ...needs("reader", "A link with its history, or as it stood at a time"),
    })
    .put("/urls/:link", links.edit, { body: LinkEdit, ...needs("editor", "Change a link") })
    .patch("/urls/:link", links.edit, { body: LinkEdit, ...needs("editor", "Change a link") })
    .delete("/urls/:link", links.remove, { body: ReasonBody, ...needs("editor", "Delete a link softly") })
    .post("/urls/:link/restore", links.bringBack, { body: ReasonBody, ...needs("editor", "Bring a deleted link back") })
    .get("/urls/:link/clicks", links.clicks, {
      query: ClicksQuery,
      ...needs("reader", "How often a link was followed, by day, hour, referrer or device"),
    })
    .get("/urls/:link/events", links.history, {
      query: PageOnlyQuery,
      ...needs("reader", "A link's history, oldest first"),
    })
    .post("/users", users.create, { body: NewUser, ...needs("admin", "Create a user") })
    .get("/users", users.list, { query: PageOnlyQuery, ...needs("reader", "List users, oldest first") })
    .get("/users/:user", users.read, needs("reader", "A user with the first page of its links"))
    .put("/users/:user", users.edit, { body: UserEdit, ...needs("admin", "Change a user") })
    .delete("/users/:user", users.remove, {
      body: ReasonBody,
      ...needs("admin", "Deactivate a user and revoke its keys"),
    })
    .post("/users/:user/restore", users.bringBack, {
      body: ReasonBody,
      ...needs("admin", "Activate a deactivated user again; its keys stay revoked"),
    })
    .post("/users/:user/erase", users.erase, {
      body: EraseBody,
      ...needs("admin", "Erase a person from the history: for good"),
    })
    .post("/users/:user/keys", users.createUserKey, { body: NewKey, ...needs("admin", "Make a key, shown once") })
    .get("/users/:user/keys", users.listUserKeys, needs("reader", "List a user's keys"))
    .delete("/users/:user/keys/:key", users.removeKey, { body: ReasonBody, ...needs("admin", "Revoke a key") })
    .get("/whoami", users.whoami, needs("reader", "The caller's user, key and role"))
    .get("/events", events.list, { query: ListEventsQuery, ...needs("reader", "The audit log, newest first") })
    .get("/events/:id", events.read, needs("reader", "One event"))
    .get("/events/:id/disclosures", events.disclosures, needs("reader", "What an event's leaf holds digests of"))
    .get("/log/entries", log.entries, {
      query: EntriesQuery,
      ...needs("reader", "Events in log order from an index on; waits for the next where asked to"),
    })
    .get("/log/status", log.status, needs("reader", "The log's size, backlog and health"))
    .get("/metrics", ops.metricsText, needs("reader", "Prometheus metrics"))
    .get("/stats", ops.stats, needs("reader", "Totals for a dashboard"))
    .use(
      openapi({
        path: "/openapi",
        specPath: "/openapi.json",
        provider: null,
        exclude: { staticFile: false },
        documentation: {
          info: {
            title: "deadletter",
            description: "A URL shortener whose every change is in its audit log.",
            version: service.version,
          },
          components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
        },
      }),
    );
  access.table = createAccessTable(withOpenApi(app.routes));
  // A series that begins with the first failure hides it from rate(): it begins at 0.
  for (const { method, path } of app.routes)
    for (const status of [500, 503]) service.metrics.httpRequests.inc({ method, route: path, status }, 0);
  return app;
}

/** What the main listener answers when the API has one of its own (ADMIN_LISTEN). */
export function createPublic(service: Service) {
  const access: { table?: AccessTable } = {};
  const app = createBase(service, access).use(publicRoutes(service));
  access.table = createAccessTable(app.routes);
  return app;
}

/** What a listener of its own answers to whoever may reach it (DEADLETTER_METRICS_LISTEN). */
export function createWatch(service: Service) {
  const ops = opsHandlers(service);
  const access: { table?: AccessTable } = {};
  const app = createBase(service, access)
    .get("/metrics", ops.metricsText, needs("public", "Prometheus metrics"))
    .get("/livez", ops.livez, needs("public", "Alive"))
    .get("/readyz", ops.readyz, needs("public", "Ready for traffic, check by check"));
  access.table = createAccessTable(app.routes);
  return app;
}

function publicRoutes(service: Service) {
  const ops = opsHandlers(service);
  const log = logHandlers(service);
  return new Elysia({ name: "public" })
    .get("/livez", ops.livez, needs("public", "Alive"))
    .get("/readyz", ops.readyz, needs("public", "Ready for traffic, check by check"))
    .get("/health", ops.health, needs("public", "Healthy, in the first version's shape"))
    .get("/robots.txt", ops.robots, needs("public", "Asks crawlers to stay away"))
    .get(
      "/log/checkpoint",
      log.checkpoint,
      needs("public", "The log's newest signed checkpoint (C2SP tlog-checkpoint)"),
    )
    .get("/log/tile/*", log.tile, needs("public", "Tree hashes and entries of the log (C2SP tlog-tiles)"))
    .get("/events/:id/proof", log.proof, needs("public", "Proof that an event is in the log (C2SP tlog-proof)"))
    .get(
      "/:code",
      ({ params, request }) => redirectInApp(service, request, params.code, "code"),
      needs("public", "Redirect"),
    )
    .get(
      "/r/:code",
      ({ params, request }) => redirectInApp(service, request, params.code, "code"),
      needs("public", "Redirect"),
    )
    .get(
      "/urls/:link/redirect",
      ({ params, request }) => redirectInApp(service, request, params.link, "code-or-id"),
      needs("public", "Redirect"),
    );
}

/** Elysia types what it hands to wrap() by what the function returns. */
async function answerOf(answer: (...values: never[]) => unknown, request: Request): Promise<Response> {
  return (await Reflect.apply(answer, undefined, [request])) as Response;
}

/** For a mounted app, which has no raw routes: the answer comes as finished as theirs. */
async function redirectInApp(service: Service, request: Request, name: string, naming: Naming): Promise<Response> {
  const response = await redirect(service, request, name, naming);
  exchangeOf(request).isFinished = true;
  return response;
}

/** `access.table` is filled once the routes stand; until then nothing is answered. */
function createBase(service: Service, access: { readonly table?: AccessTable }) {
  return new Elysia({ strictPath: true, normalize: false, handler: { standardHostname: false } })
    .wrap((answer) => async (request: Request) => {
      const exchange = openExchange(request);
      let response: Response;
      try {
        checkHost(request);
        response = await answerOf(answer, request);
      } catch (error) {
        response = errorResponse(service, exchange, error);
      }
      const { route } = exchange;
      service.metrics.httpRequests.inc({ method: knownMethod(request.method), route, status: response.status });
      service.metrics.httpSeconds.observe({ route }, (performance.now() - exchange.startedMs) / 1000);
      return finish(service, request, response);
    })
    .onRequest(async ({ request }) => {
      const exchange = exchangeOf(request);
      const { pathname } = new URL(request.url);
      const match = isDecodable(pathname) ? access.table?.match(request.method, pathname) : undefined;
      if (!match) throw notFound("there is nothing at this path");
      exchange.route = match.template;
      if (match.needs !== "public") exchange.caller = await authorize(service, request, exchange, match.needs);
    })
    .onParse(({ request }) => readJsonBody(request))
    .onError(({ error, request }) => errorResponse(service, exchangeOf(request), error));
}

/** The plugin's own route cannot say who may use it, so it is said here. */
function withOpenApi(routes: readonly { method: string; path: string; hooks?: object }[]) {
  return routes.map((route) =>
    route.path === "/openapi.json"
      ? { ...route, hooks: { ...route.hooks, ...needs("reader", "This API, as OpenAPI") } }
      : route,
  );
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
