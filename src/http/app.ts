// The whole route table: who may use each route, what it takes, what it answers, how it fails.

import { Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { Event, LogEntry } from "../model/event.ts";
import { Key, KeyWithSecret, NewKey } from "../model/key.ts";
import { Link, LinkEdit, NewLink } from "../model/link.ts";
import { NewUser, User, UserEdit, VisibleUser } from "../model/user.ts";
import { ClickReport } from "../operations/clicks.ts";
import { ErasureReport } from "../operations/erase.ts";
import { Disclosures } from "../operations/events.ts";
import { EntriesQuery, LogHealth, logHandlers } from "./audit-log.ts";
import { createBase } from "./base.ts";
import { BulkQuery, bulkHandlers, bulkStream } from "./bulk.ts";
import { bulkAnswers, LINK_ROWS, USER_ROWS } from "./bulk-rows.ts";
import { eventHandlers, ListEventsQuery } from "./events.ts";
import { exchangeOf } from "./exchange.ts";
import { changed } from "./heard.ts";
import {
  ClicksQuery,
  LinkWithHistory,
  ListLinksQuery,
  linkHandlers,
  PageOnlyQuery,
  ReadLinkQuery,
  ReasonBody,
} from "./links.ts";
import { Health, Liveness, opsHandlers, Readiness, Stats } from "./ops.ts";
import { type Naming, redirect } from "./redirect.ts";
import { binary, created, list, needs, ok, okOr503, page, REDIRECT, streaming, text } from "./route.ts";
import { RouteTable } from "./route-table.ts";
import type { Service } from "./service.ts";
import { EraseBody, Holder, UserWithLinks, userHandlers } from "./users.ts";

export type Api = ReturnType<typeof createApi>;

/** Everything: the API and the public routes, for one listener and for commands that mount it in their own process. */
export function createApi(service: Service) {
  const links = linkHandlers(service);
  const users = userHandlers(service);
  const events = eventHandlers(service);
  const ops = opsHandlers(service);
  const log = logHandlers(service);
  const bulk = bulkHandlers(service);
  const table = new RouteTable(service.version);
  const app = createBase(service, table)
    .use(publicRoutes(service, table))
    .post("/urls", links.create, {
      body: NewLink,
      ...needs("creator", "Create a link", created(ChangedLink, "ETag", "Location"), "not_found", ...REPEATABLE),
    })
    .get("/urls", links.list, { query: ListLinksQuery, ...needs("reader", "List links, newest first", page(Link)) })
    .post("/urls/bulk", bulk.links, {
      query: BulkQuery,
      ...streaming(LINKS_STREAM, needs("creator", "Many changes of links, one a row", bulkAnswers(LINK_ROWS), ...BULK)),
    })
    .get("/urls/:link", links.read, {
      query: ReadLinkQuery,
      ...needs("reader", "A link with its history, or as it stood at a time", ok(LinkWithHistory, "ETag", "Link")),
    })
    .put("/urls/:link", links.edit, {
      body: LinkEdit,
      ...needs("editor", "Change a link", ok(ChangedLink, "ETag"), ...CHANGE),
    })
    .patch("/urls/:link", links.edit, {
      body: LinkEdit,
      ...needs("editor", "Change a link", ok(ChangedLink, "ETag"), ...CHANGE),
    })
    .delete("/urls/:link", links.remove, {
      body: ReasonBody,
      ...needs("editor", "Delete a link softly", ok(ChangedLink, "ETag"), ...CHANGE),
    })
    .post("/urls/:link/restore", links.bringBack, {
      body: ReasonBody,
      ...needs("editor", "Restore a deleted link", ok(ChangedLink, "ETag"), ...CHANGE, ...REPEATABLE),
    })
    .get("/urls/:link/clicks", links.clicks, {
      query: ClicksQuery,
      ...needs("reader", "How often a link was followed, by day, hour, referrer or device", ok(ClickReport)),
    })
    .get("/urls/:link/events", links.history, {
      query: PageOnlyQuery,
      ...needs("reader", "A link's history, oldest first", page(Event)),
    })
    .post("/users", users.create, {
      body: NewUser,
      ...needs("admin", "Create a user", created(ChangedUser, "Location"), ...REPEATABLE),
    })
    .post("/users/bulk", bulk.users, {
      query: BulkQuery,
      ...streaming(USERS_STREAM, needs("admin", "Many changes of users, one a row", bulkAnswers(USER_ROWS), ...BULK)),
    })
    .get("/users", users.list, {
      query: PageOnlyQuery,
      ...needs("reader", "List users, oldest first", page(VisibleUser)),
    })
    .get(
      "/users/:user",
      users.read,
      needs("reader", "A user with the first page of its links", ok(UserWithLinks, "Link")),
    )
    .put("/users/:user", users.edit, {
      body: UserEdit,
      ...needs("admin", "Change a user", ok(ChangedUser), "conflict"),
    })
    .delete("/users/:user", users.remove, {
      body: ReasonBody,
      ...needs("admin", "Deactivate a user and revoke its keys", ok(ChangedUser), "conflict"),
    })
    .post("/users/:user/restore", users.bringBack, {
      body: ReasonBody,
      ...needs("admin", "Reactivate a user; its keys stay revoked", ok(ChangedUser), ...REPEATABLE),
    })
    .post("/users/:user/erase", users.erase, {
      body: EraseBody,
      ...needs("admin", "Erase a person from the history, for good", ok(ErasureReport), "conflict"),
    })
    .post("/users/:user/keys", users.createUserKey, {
      body: NewKey,
      ...needs("admin", "Create a key, shown once", created(KeyWithSecret), "conflict"),
    })
    .get("/users/:user/keys", users.listUserKeys, needs("reader", "List a user's keys", list(Key)))
    .delete("/users/:user/keys/:key", users.removeKey, {
      body: ReasonBody,
      ...needs("admin", "Revoke a key", ok(ChangedKey), "conflict"),
    })
    .get("/whoami", users.whoami, needs("reader", "The caller's user, key and role", ok(Holder)))
    .get("/events", events.list, {
      query: ListEventsQuery,
      ...needs("reader", "The audit log, newest first", page(Event)),
    })
    .get("/events/:id", events.read, needs("reader", "One event", ok(Event)))
    .get(
      "/events/:id/disclosures",
      events.disclosures,
      needs("reader", "The texts whose digests an event's leaf holds", ok(Disclosures)),
    )
    .get("/log/entries", log.entries, {
      query: EntriesQuery,
      ...needs("reader", "Events in log order from an index on; waits for the next if asked", list(LogEntry)),
    })
    .get("/log/status", log.status, needs("reader", "The log's size, backlog and health", ok(LogHealth)))
    .get("/metrics", ops.metricsText, needs("reader", "Prometheus metrics", METRICS))
    .get("/stats", ops.stats, needs("reader", "Totals for a dashboard", ok(Stats)));
  table.fill(app.routes);
  // A series that begins with the first failure hides it from rate(): it begins at 0.
  for (const { method, path: route } of app.routes) {
    for (const status of [500, 503]) service.metrics.httpRequests.inc({ method, route, status }, 0);
    service.metrics.httpSeconds.zero({ method, route, class: "2xx" });
  }
  return app;
}

const [ChangedLink, ChangedUser, ChangedKey] = [changed(Link), changed(User), changed(Key)];
/** How a change of one link fails beside what any request may. */
const CHANGE = ["conflict", "precondition_failed"] as const;
/** The same of a POST that takes an Idempotency-Key. */
const REPEATABLE = ["conflict", "idempotency_mismatch"] as const;
/** Errors of a whole bulk request; an atomic one also fails with the error of any row. */
const BULK = ["not_found", "conflict", "precondition_failed", "too_many_requests", "idempotency_mismatch"] as const;
const [LINKS_STREAM, USERS_STREAM] = [bulkStream(LINK_ROWS), bulkStream(USER_ROWS)];
const METRICS = text("text/plain; version=0.0.4; charset=utf-8", "Prometheus text format");

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

function publicRoutes(service: Service, table: RouteTable) {
  const ops = opsHandlers(service);
  const log = logHandlers(service);
  const follow = (naming: Naming) => (asked: { params: { code: string }; request: Request }) =>
    redirectInApp(service, asked.request, asked.params.code, naming);
  return new Elysia({ name: "public" })
    .get("/livez", ops.livez, needs("public", "Alive", ok(Liveness)))
    .get("/readyz", ops.readyz, needs("public", "Ready for traffic, check by check", okOr503(Readiness)))
    .get("/health", ops.health, needs("public", "Healthy, in the first version's shape", okOr503(Health)))
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
      "/urls/:link/redirect",
      ({ params, request }) => redirectInApp(service, request, params.link, "code-or-id"),
      needs("public", "Redirect", REDIRECT, "too_many_requests"),
    );
}

/** For a mounted app, which has no raw routes: the answer comes as finished as theirs. */
async function redirectInApp(service: Service, request: Request, name: string, naming: Naming): Promise<Response> {
  const response = await redirect(service, request, name, naming);
  exchangeOf(request).isFinished = true;
  return response;
}
