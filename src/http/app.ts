// The whole route table: who may use each route, what it takes, what it answers, how it fails.

import { Type } from "@sinclair/typebox";
import { Event, LogEntry } from "../model/event.ts";
import { Incident } from "../model/incident.ts";
import { Key, KeyWithSecret, NewKey } from "../model/key.ts";
import { LinkEdit } from "../model/link.ts";
import { NewUser, User, UserEdit, VisibleUser } from "../model/user.ts";
import { ClickReport } from "../operations/clicks.ts";
import { OwnedLinks } from "../operations/deactivate.ts";
import { ErasureReport } from "../operations/erase.ts";
import { Disclosures } from "../operations/events.ts";
import { Explanation } from "../operations/explain.ts";
import { IncidentReport } from "../operations/incident-report.ts";
import { IncidentPreview, IncidentProgress } from "../operations/incidents.ts";
import { LinkDiff } from "../operations/link-history.ts";
import { RenamedTag, RenameTag, Tag } from "../operations/tags.ts";
import { EntriesQuery, LogHealth, logHandlers } from "./audit-log.ts";
import { createBase } from "./base.ts";
import { BulkQuery, bulkHandlers, bulkStream } from "./bulk.ts";
import { bulkAnswers, LINK_ROWS, USER_ROWS } from "./bulk-rows.ts";
import { eventHandlers, ListEventsQuery } from "./events.ts";
import { EXPORTED, ExportQuery, exportHandlers } from "./export.ts";
import { changed, Heard } from "./heard.ts";
import { CloseBody, incidentHandlers, NewIncidentBody, ReportQuery, UndoBody } from "./incidents.ts";
import { DiffQuery, linkHistoryHandlers, RevertBody } from "./link-history.ts";
import {
  ClicksQuery,
  LinkWithHistory,
  ListedLink,
  ListLinksQuery,
  linkHandlers,
  NewLinkBody,
  PageOnlyQuery,
  ReadLinkQuery,
  ReasonBody,
} from "./links.ts";
import { opsHandlers, Stats } from "./ops.ts";
import { METRICS, publicRoutes } from "./public-routes.ts";
import { QrQuery, qrHandlers } from "./qr.ts";
import { binary, created, createdOrFound, list, needs, ok, orAs, page, streaming, text } from "./route.ts";
import { RouteTable } from "./route-table.ts";
import type { Service } from "./service.ts";
import { ChangedLink as LinkAsChanged, ShownLink } from "./shown-link.ts";
import { ListTagsQuery, tagHandlers } from "./tags.ts";
import { DeactivateBody, EraseBody, Holder, UserWithLinks, userHandlers } from "./users.ts";

export type Api = ReturnType<typeof createApi>;

/** Everything: the API and the public routes, for one listener and for commands that mount it in their own process. */
export function createApi(service: Service) {
  const links = linkHandlers(service);
  const past = linkHistoryHandlers(service);
  const tags = tagHandlers(service);
  const qr = qrHandlers(service);
  const incidents = incidentHandlers(service);
  const exports = exportHandlers(service);
  const users = userHandlers(service);
  const events = eventHandlers(service);
  const ops = opsHandlers(service);
  const log = logHandlers(service);
  const bulk = bulkHandlers(service);
  const table = new RouteTable(service.version);
  const app = createBase(service, table)
    .use(publicRoutes(service, table))
    .post("/urls", links.create, {
      body: NewLinkBody,
      ...needs("creator", "Create a link", createdOrFound(ChangedLink, "ETag", "Location"), "not_found", ...REPEATABLE),
    })
    .get("/urls", links.list, {
      query: ListLinksQuery,
      ...needs("reader", "List links, newest first", page(ListedLink)),
    })
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
      ...needs("creator", "Change a link; a creator only its own", ok(ChangedLink, "ETag"), ...CHANGE),
    })
    .patch("/urls/:link", links.edit, {
      body: LinkEdit,
      ...needs("creator", "Change a link; a creator only its own", ok(ChangedLink, "ETag"), ...CHANGE),
    })
    .delete("/urls/:link", links.remove, {
      body: ReasonBody,
      ...needs("creator", "Delete a link softly; a creator only its own", ok(ChangedLink, "ETag"), ...CHANGE),
    })
    .post("/urls/:link/restore", links.bringBack, {
      body: ReasonBody,
      ...needs(
        "creator",
        "Restore a deleted link; a creator only its own",
        ok(ChangedLink, "ETag"),
        ...CHANGE,
        ...REPEATABLE,
      ),
    })
    .get("/urls/:link/clicks", links.clicks, {
      query: ClicksQuery,
      ...needs("reader", "How often a link was followed, by day, hour, referrer or device", ok(ClickReport)),
    })
    .post("/urls/:link/revert", past.revert, {
      body: RevertBody,
      ...needs(
        "creator",
        "Return a link to an earlier version; a creator only its own",
        ok(ChangedLink, "ETag"),
        ...CHANGE,
        ...REPEATABLE,
      ),
    })
    .get("/urls/:link/diff", past.diff, {
      query: DiffQuery,
      ...needs("reader", "What two versions of a link say differently", ok(LinkDiff), "conflict"),
    })
    .get("/urls/:link/explain", past.explain, needs("reader", "Why a code redirects, or does not", ok(Explanation)))
    .get("/urls/:link/qr.svg", qr.svg, {
      query: QrQuery,
      ...needs("reader", "A link's short URL as a QR code", text("image/svg+xml", "an image")),
    })
    .get("/urls/:link/qr.png", qr.png, {
      query: QrQuery,
      ...needs("reader", "A link's short URL as a QR code", binary("an image", "image/png")),
    })
    .get("/urls/:link/events", past.history, {
      query: PageOnlyQuery,
      ...needs("reader", "A link's history, oldest first", page(Event)),
    })
    .get("/api/tags", tags.list, {
      query: ListTagsQuery,
      ...needs("reader", "Tags, by name, with how many links bear each", page(Tag)),
    })
    .post("/api/tags/rename", tags.rename, {
      body: RenameTag,
      ...needs(
        "editor",
        "Put one tag in the place of another, some links a request",
        ok(RenamedTag),
        "not_found",
        "conflict",
      ),
    })
    .post("/api/incidents", incidents.open, {
      body: NewIncidentBody,
      ...needs("editor", "Take down the links that match; or say which those are", OPENED_OR_PREVIEW, "conflict"),
    })
    .get("/api/incidents", incidents.list, {
      query: PageOnlyQuery,
      ...needs("reader", "Incidents, the newest first", page(Incident)),
    })
    .get("/api/incidents/:incident", incidents.read, needs("reader", "An incident", ok(Incident)))
    .post(
      "/api/incidents/:incident/act",
      incidents.takeDown,
      needs("editor", "Take down more of what matches", ok(Progress), "conflict"),
    )
    .post("/api/incidents/:incident/undo", incidents.undo, {
      body: UndoBody,
      ...needs("editor", "Bring back what it took down, or some of it", ok(Progress), "conflict"),
    })
    .post("/api/incidents/:incident/close", incidents.close, {
      body: CloseBody,
      ...needs("editor", "Close an incident, which ends its hold", ok(changed(Incident)), "conflict"),
    })
    .get("/api/incidents/:incident/report", incidents.report, {
      query: ReportQuery,
      ...needs("reader", "What happened, in JSON or in Markdown", REPORT),
    })
    .get("/api/export/links", exports.links, {
      query: ExportQuery,
      ...needs("reader", "All links, as CSV or NDJSON", EXPORTED, "too_many_requests"),
    })
    .get("/api/export/clicks", exports.clicks, {
      query: ExportQuery,
      ...needs("reader", "All clicks by hour that are kept, as CSV or NDJSON", EXPORTED, "too_many_requests"),
    })
    .get("/api/export/events", exports.events, {
      query: ExportQuery,
      ...needs("reader", "All events as they are shown, as CSV or NDJSON", EXPORTED, "too_many_requests"),
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
      body: DeactivateBody,
      ...needs("admin", "Deactivate a user, revoke its keys, and hand its links over", ok(DeactivatedUser), "conflict"),
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
      ...needs("reader", "The audit log, newest first", page(Event), "not_found"),
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

const [ChangedLink, ChangedUser, ChangedKey] = [changed(LinkAsChanged), changed(User), changed(Key)];
const Progress = Type.Object(
  { ...IncidentProgress.properties, heard: Type.Optional(Heard) },
  { $id: "IncidentProgressHeard" },
);
const Previewed = Type.Object(
  { preview: Type.Object({ ...IncidentPreview.properties, newest: Type.Array(ShownLink) }) },
  { $id: "IncidentPreview" },
);
const OPENED_OR_PREVIEW = { ...created(Progress, "Location"), ...ok(Previewed) };
const REPORT = orAs(ok(IncidentReport), "text/markdown");
const DeactivatedUser = Type.Object({ ...ChangedUser.properties, links: OwnedLinks }, { $id: "DeactivatedUser" });
/** How a change of one link fails beside what any request may. */
const CHANGE = ["conflict", "precondition_failed"] as const;
/** The same of a POST that takes an Idempotency-Key. */
const REPEATABLE = ["conflict", "idempotency_mismatch"] as const;
/** Errors of a whole bulk request; an atomic one also fails with the error of any row. */
const BULK = ["not_found", "conflict", "precondition_failed", "too_many_requests", "idempotency_mismatch"] as const;
const [LINKS_STREAM, USERS_STREAM] = [bulkStream(LINK_ROWS), bulkStream(USER_ROWS)];
