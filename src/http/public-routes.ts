// The routes that need no key: what the public follows, what machines watch, the log that anybody may read.

import { Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { logHandlers } from "./audit-log.ts";
import { createBase } from "./base.ts";
import { exchangeOf } from "./exchange.ts";
import { Health, Liveness, opsHandlers, Readiness } from "./ops.ts";
import { favicon, homePage } from "./pages.ts";
import { type Naming, redirect, redirectPath } from "./redirect.ts";
import { binary, needs, ok, okOr503, PAGE_OR_HOME, REDIRECT, text } from "./route.ts";
import { RouteTable } from "./route-table.ts";
import type { Service } from "./service.ts";

export const METRICS = text("text/plain; version=0.0.4; charset=utf-8", "Prometheus text format");

/** What the main listener answers when the API has one of its own (ADMIN_LISTEN). */
export function createPublic(service: Service) {
  const table = new RouteTable(service.version);
  const app = createBase(service, table).use(publicRoutes(service, table));
  table.fill(app.routes);
  return app;
}

/** What a listener of its own answers without a key (DEADLETTER_METRICS_LISTEN). */
export function createWatch(service: Service) {
  const ops = opsHandlers(service);
  const table = new RouteTable(service.version);
  const app = createBase(service, table)
    .get("/metrics", ops.metricsText, needs("public", "Prometheus metrics", METRICS))
    .get("/livez", ops.livez, needs("public", "Alive", ok(Liveness)))
    .get("/readyz", ops.readyz, needs("public", "Ready for traffic, check by check", okOr503(Readiness)));
  table.fill(app.routes);
  return app;
}

export function publicRoutes(service: Service, table: RouteTable) {
  const ops = opsHandlers(service);
  const log = logHandlers(service);
  const follow = (naming: Naming) => (asked: { params: { code: string }; request: Request }) =>
    redirectInApp(service, asked.request, asked.params.code, naming);
  const followPath = async (asked: { params: { code: string }; request: Request }) =>
    finished(asked.request, await redirectPath(service, asked.request, asked.params.code));
  return new Elysia({ name: "public" })
    .get("/livez", ops.livez, needs("public", "Alive", ok(Liveness)))
    .get("/readyz", ops.readyz, needs("public", "Ready for traffic, check by check", okOr503(Readiness)))
    .get("/health", ops.health, needs("public", "Healthy, in the first version's shape", okOr503(Health)))
    .get("/", () => homePage(service.pages), needs("public", "What this is, for people", PAGE_OR_HOME))
    .get(
      "/favicon.ico",
      () => favicon(service.pages),
      needs("public", "The icon of the pages", text("image/svg+xml", "an image")),
    )
    .get(
      "/robots.txt",
      ops.robots,
      needs("public", "Asks crawlers to stay away", text("text/plain; charset=utf-8", "robots.txt")),
    )
    .get(
      "/openapi.json",
      () => table.openapi(),
      needs("public", "This description, as OpenAPI 3.1", ok(Type.Object({}, { additionalProperties: true }))),
    )
    .get(
      "/docs",
      () => table.docs(),
      needs("public", "This description, as a page", text("text/html; charset=utf-8", "a page")),
    )
    .get(
      "/log/checkpoint",
      log.checkpoint,
      needs("public", "The log's newest signed checkpoint", text("text/plain; charset=utf-8", "C2SP tlog-checkpoint")),
    )
    .get(
      "/log/tile/*",
      log.tile,
      needs("public", "Tree hashes and entries of the log", binary("C2SP tlog-tiles"), "too_many_requests"),
    )
    .get(
      "/log/rollbacks/:epoch",
      log.rollback,
      needs(
        "public",
        "The signed statement that the log went back, which began an epoch",
        text("text/plain; charset=utf-8", "C2SP signed-note"),
        "too_many_requests",
      ),
    )
    .get(
      "/events/:id/proof",
      log.proof,
      needs(
        "public",
        "Proof that an event is in the log",
        text("text/plain; charset=utf-8", "C2SP tlog-proof"),
        "too_many_requests",
      ),
    )
    .get("/:code", follow("code"), needs("public", "Redirect", REDIRECT, "too_many_requests"))
    .get("/r/:code", follow("code"), needs("public", "Redirect", REDIRECT, "too_many_requests"))
    .get(
      "/:code/*",
      followPath,
      needs("public", "Redirect, with a path that the link forwards", REDIRECT, "too_many_requests"),
    )
    .get(
      "/r/:code/*",
      followPath,
      needs("public", "Redirect, with a path that the link forwards", REDIRECT, "too_many_requests"),
    )
    .get(
      "/urls/:link/redirect",
      ({ params, request }) => redirectInApp(service, request, params.link, "code-or-id"),
      needs("public", "Redirect", REDIRECT, "too_many_requests"),
    );
}

/** For a mounted app, which has no raw routes: the answer comes as finished as theirs. */
async function redirectInApp(service: Service, request: Request, name: string, naming: Naming): Promise<Response> {
  return finished(request, await redirect(service, request, name, naming));
}

function finished(request: Request, response: Response): Response {
  exchangeOf(request).isFinished = true;
  return response;
}
