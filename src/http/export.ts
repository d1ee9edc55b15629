// Exports over HTTP: everything of one kind, streamed as CSV or NDJSON, in columns that stay what they are.

import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { strict, wordOf } from "../model/schema.ts";
import { parseTime } from "../model/time.ts";
import { exportClicks, exportEvents, exportLinks } from "../operations/export.ts";
import { csvLine } from "../runtime/csv.ts";
import { callerOf } from "./exchange.ts";
import { dateTime, spelled } from "./page.ts";
import type { Replies } from "./route.ts";
import type { Service } from "./service.ts";
import { TextStreams } from "./stream.ts";

export const EXPORT_FORMATS = ["csv", "ndjson"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
export const EXPORTS = ["links", "clicks", "events"] as const;
export type ExportName = (typeof EXPORTS)[number];

export const ExportQuery = Type.Object(
  {
    format: spelled(wordOf(EXPORT_FORMATS, { description: "default ndjson" })),
    since: spelled(Type.String({ ...dateTime, description: "links changed, clicks counted, events written since" })),
  },
  strict,
);

export const EXPORTED: Replies = {
  200: {
    description: "a line each; in CSV after a line of names, with a quote before a cell that a spreadsheet would run",
    schema: Type.String() as TSchema,
    mediaType: "application/x-ndjson",
    alsoAs: "text/csv",
  },
};

/** Those of CSV, in their order; members of an event's details, and its leaf's hash, are in NDJSON alone. */
const COLUMNS: Readonly<Record<ExportName, readonly string[]>> = {
  links: [
    ...["short_code", "original_url", "title", "is_active", "starts_at", "expires_at", "tags", "status", "max_age"],
    ...["forward", "query_wins", "created_at", "updated_at", "user_id", "id", "version", "incident_id"],
    ...["clicks", "imported_clicks"],
  ],
  clicks: ["short_code", "hour", "kind", "device", "referrer", "clicks"],
  events: [
    ...["id", "timestamp", "event_type", "subject", "subject_name", "version", "actor_name", "reason", "request_id"],
    "details",
  ],
};

interface Asked {
  readonly request: Request;
  readonly query: Static<typeof ExportQuery>;
}

export function exportHandlers(service: Service) {
  const streams = new TextStreams(LIMITS.exportsAtOnce, "exports");

  function handle(name: ExportName) {
    return async ({ request, query }: Asked): Promise<Response> => {
      const format = (query.format ?? "ndjson") as ExportFormat;
      if (!EXPORT_FORMATS.includes(format)) throw badRequest(`format: must be one of ${EXPORT_FORMATS.join(", ")}`);
      const sinceMs = query.since === undefined ? 0 : parseTime("since", query.since);
      const texts = linesOf(rowsOf(service, request, name, sinceMs), format, COLUMNS[name]);
      return streams.respond(request, texts, {
        idleS: LIMITS.exportIdleS,
        contentType: format === "csv" ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson",
      });
    };
  }

  return { links: handle("links"), clicks: handle("clicks"), events: handle("events") };
}

function rowsOf(
  { core }: Service,
  request: Request,
  name: ExportName,
  sinceMs: number,
): AsyncGenerator<readonly object[]> {
  if (name === "links") return exportLinks(core, sinceMs);
  if (name === "clicks") return exportClicks(core, sinceMs);
  return exportEvents(core, sinceMs, callerOf(request));
}

async function* linesOf(
  pages: AsyncGenerator<readonly object[]>,
  format: ExportFormat,
  columns: readonly string[],
): AsyncGenerator<string> {
  let header = format === "csv" ? csvLine(columns) : "";
  for await (const rows of pages) {
    const lines = rows.map((row) =>
      format === "ndjson"
        ? `${JSON.stringify(row)}\n`
        : csvLine(columns.map((name) => cellOf((row as Readonly<Record<string, unknown>>)[name]))),
    );
    yield header + lines.join("");
    header = "";
  }
}

function cellOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
