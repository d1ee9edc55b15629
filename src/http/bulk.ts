// Bulk requests: one command a row, streamed in; one answer a row, streamed out in the same order. Neither is ever held whole, so a
// client reads while it sends.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { strict, wordOf } from "../model/schema.ts";
import { applyAsks } from "../operations/apply.ts";
import type { Ask } from "../operations/ask.ts";
import { turn } from "../runtime/clock.ts";
import { Batch, Patience, refusalOf } from "./bulk-batch.ts";
import {
  admit,
  BULK_COMMANDS,
  type Bulk,
  type BulkKind,
  LINK_ROWS,
  lineOf,
  type Read,
  readRow,
  refusalLine,
  USER_ROWS,
} from "./bulk-rows.ts";
import { callerOf } from "./exchange.ts";
import { readIdempotencyKey } from "./idempotency.ts";
import { Pace } from "./pace.ts";
import { readFlag, spelled } from "./page.ts";
import { MEDIA_TYPES, ROW_FORMATS, type Row, type RowFormat, readRows } from "./rows.ts";
import { RowsAhead } from "./rows-ahead.ts";
import type { Service } from "./service.ts";
import { TextStreams } from "./stream.ts";

export const BulkQuery = Type.Object(
  {
    atomic: spelled(Type.Boolean({ description: `all rows or none, at most ${LIMITS.bulkAtomicRows}` })),
    dry_run: spelled(
      Type.Boolean({ description: `decides and writes nothing, at most ${LIMITS.bulkDryRunRows} rows` }),
    ),
  },
  strict,
);

export function bulkHandlers(service: Service) {
  const streams = new TextStreams(LIMITS.bulksAtOnce, "bulk requests");

  function handle(kind: BulkKind) {
    return async ({ request, query }: { request: Request; query: Static<typeof BulkQuery> }): Promise<Response> => {
      const isAtomic = readFlag("atomic", query.atomic) ?? false;
      const isDryRun = readFlag("dry_run", query.dry_run) ?? false;
      const format = formatOf(request.headers);
      const bulk = { service, request, kind, isDryRun, caller: callerOf(request), key: readIdempotencyKey(request) };
      const stop = new AbortController();
      const maxBytes = isAtomic ? LIMITS.bulkAtomicBytes : LIMITS.bulkBytes;
      const rows = readRows(request, format, maxBytes, stop.signal);
      return streams.respond(request, isAtomic ? answerAtOnce(bulk, rows) : answerRows(bulk, rows, stop), {
        idleS: Math.ceil(LIMITS.paceMs / 1000) * 2,
        contentType: "application/x-ndjson",
      });
    };
  }

  return { links: handle(LINK_ROWS), users: handle(USER_ROWS) };
}

function formatOf(headers: Headers): RowFormat {
  const type = (headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const format = ROW_FORMATS.find((each) => MEDIA_TYPES[each] === type);
  if (format !== undefined && !headers.has("content-encoding")) return format;
  const types = Object.values(MEDIA_TYPES).join(", ");
  throw new DeadletterError("unsupported_media_type", `the body must be one of ${types}, without a content encoding`);
}

/** While a batch is written, the rows of the next one are read and the answers to the one before are sent. */
async function* answerRows(bulk: Bulk, chunks: AsyncGenerator<Row[]>, stop: AbortController): AsyncGenerator<string> {
  const most = bulk.isDryRun ? LIMITS.bulkDryRunRows : LIMITS.bulkRows;
  const [patience, pace] = [new Patience(bulk), new Pace(bulk.service)];
  let count = 0;
  const read = (rows: readonly Row[]) => {
    patience.check(rows.length);
    count += rows.length;
    if (count > most) throw new DeadletterError("payload_too_large", `a request may have at most ${most} rows`);
    return rows.map((row) => readRow(bulk, row));
  };
  const ahead = new RowsAhead(chunks, read, { clock: bulk.service.core.clock, stop });
  const begin = (rows: readonly Read[], after?: Batch) =>
    rows.length === 0 ? undefined : new Batch(bulk, rows, { patience, pace }, after);
  try {
    let batch = begin(await ahead.take(pace.size));
    while (batch) {
      await batch.decided;
      const next = begin(ahead.takeNow(pace.size), batch);
      const { results, isOutage } = await batch.done;
      for (let at = 0; at < results.length; at += LIMITS.bulkRowsRead) {
        // The next batch, and everybody else, comes first.
        await turn(bulk.service.core.clock);
        yield results
          .slice(at, at + LIMITS.bulkRowsRead)
          .map(([read, result]) => lineOf(bulk, read, result))
          .join("");
      }
      if (isOutage) return;
      batch = next ?? begin(await ahead.take(pace.size), batch);
    }
  } catch (error) {
    if (bulk.request.signal.aborted) return;
    if (count === 0) throw error;
    yield refusalLine(null, refusalOf(bulk, error));
  } finally {
    ahead.close();
  }
}

/** All or nothing: the answer is known once the transaction is committed. */
async function* answerAtOnce(bulk: Bulk, chunks: AsyncGenerator<Row[]>): AsyncGenerator<string> {
  const rows: Row[] = [];
  const patience = new Patience(bulk);
  for await (const part of chunks) {
    patience.check(part.length);
    rows.push(...part);
    if (rows.length > LIMITS.bulkAtomicRows)
      throw new DeadletterError("payload_too_large", `with atomic at most ${LIMITS.bulkAtomicRows} rows`);
  }
  const read = rows.map((row) => admit(bulk, readRow(bulk, row)));
  for (const { line, refusal, alone } of read) {
    if (refusal) throw atLine(line, refusal);
    if (alone) throw atLine(line, badRequest("a user is not deactivated together with other rows", "leave atomic out"));
  }
  const asks = read.map(({ ask }) => ask as Ask);
  const outcomes = await applyAsks(bulk.service.core, asks, {
    isDryRun: bulk.isDryRun,
    onRefused: (at, error) => atLine(read[at]?.line ?? 0, error),
  });
  yield outcomes.map((outcome, at) => lineOf(bulk, read[at] as Read, { outcome })).join("");
}

function atLine(line: number, { code, message, hint, headers }: DeadletterError): DeadletterError {
  return new DeadletterError(code, `line ${line}: ${message}`, { ...(hint === undefined ? {} : { hint }), headers });
}

/** What a bulk route takes. */
export function bulkStream({ noun }: BulkKind) {
  const command = Type.Optional(wordOf(BULK_COMMANDS, { description: "default create" }));
  const named = Type.Optional(
    Type.Union([Type.String(), Type.Integer()], { description: `which ${noun}; not with create` }),
  );
  const row = Type.Object({ command, [noun]: named }, { additionalProperties: true });
  return { mediaTypes: Object.values(MEDIA_TYPES), row };
}
