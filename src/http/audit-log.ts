// The signed log over HTTP: what anybody may check (checkpoint, tiles, proofs), and what readers may follow.

import { type Static, Type } from "@sinclair/typebox";
import { notFound, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isId } from "../model/code.ts";
import type { LogEntry } from "../model/event.ts";
import { nullable, strict } from "../model/schema.ts";
import {
  LogStatus,
  proveEvent,
  readEntries,
  readLogStatus,
  readSignedHead,
  readTile,
} from "../operations/audit-log.ts";
import { findEventId } from "../operations/events.ts";
import { readRollback } from "../operations/rollback.ts";
import { parseTilePath } from "../tlog/tiles.ts";
import { customerOf } from "./client.ts";
import { eventRef } from "./events.ts";
import { callerOf, clientOf, takeFrom } from "./exchange.ts";
import { readCount, spelled } from "./page.ts";
import type { Service } from "./service.ts";

export const EntriesQuery = Type.Object(
  {
    from: spelled(Type.Integer({ minimum: 0, default: 0, description: "the index of the first entry" })),
    limit: spelled(Type.Integer({ minimum: 1, maximum: LIMITS.followPageRows, default: LIMITS.pageSizeDefault })),
    wait: spelled(
      Type.Integer({
        minimum: 0,
        maximum: LIMITS.feedWaitS,
        default: 0,
        description: "seconds to wait for an entry where there is none",
      }),
    ),
  },
  strict,
);

export const LogHealth = Type.Object(
  {
    ...LogStatus.properties,
    refused: nullable(Type.String({ description: "why this server does not vouch for the stored log" })),
  },
  { $id: "LogHealth" },
);
export type LogHealth = Static<typeof LogHealth>;

/** Mutable, but good for a moment: C2SP tlog-tiles asks that it be cached for a few seconds at the most. */
const CHECKPOINT_HEADERS = { "content-type": "text/plain; charset=utf-8", "cache-control": "public, max-age=1" };
/** What a tile holds never changes (C2SP tlog-tiles, RFC 8246). */
const TILE_HEADERS = {
  "content-type": "application/octet-stream",
  "cache-control": "public, max-age=31536000, immutable",
};
const PROOF_HEADERS = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };

export function logHandlers(service: Service) {
  const { core, auditLog } = service;
  function refuseFalseHead(): void {
    if (auditLog.refusal() !== undefined) throw unavailable("the log's head is not one this server would vouch for");
  }

  async function checkpoint() {
    refuseFalseHead();
    const { note } = await readSignedHead(core);
    return new Response(note, { headers: CHECKPOINT_HEADERS });
  }

  /** Anybody may ask, each time for as much work as some thirty redirects. */
  function takeProof(request: Request): void {
    takeFrom(service, "proofs", customerOf(clientOf(service, request)));
  }

  async function tile({ request }: { request: Request }) {
    takeProof(request);
    const { pathname } = new URL(request.url);
    const wanted = parseTilePath(pathname.slice("/log/".length));
    if (!wanted) throw notFound("this is not the path of a tile");
    return new Response(await readTile(core, wanted), { headers: TILE_HEADERS });
  }

  async function entries({ query, request }: { query: Static<typeof EntriesQuery>; request: Request }) {
    const from = readCount("from", query.from, { least: 0, most: Number.MAX_SAFE_INTEGER }) ?? 0;
    const limit = readCount("limit", query.limit, { least: 1, most: LIMITS.followPageRows }) ?? LIMITS.pageSizeDefault;
    const waitS = readCount("wait", query.wait, { least: 0, most: LIMITS.feedWaitS }) ?? 0;
    const read = (): Promise<LogEntry[]> => readEntries(core, callerOf(request), { from, limit });
    const found = await read();
    if (found.length > 0 || waitS === 0) return found;
    if (!(await auditLog.feed.wait(from, waitS * 1000, request.signal)))
      throw unavailable("too many wait for the log already");
    return read();
  }

  async function status(): Promise<LogHealth> {
    return { ...(await readLogStatus(core)), refused: auditLog.refusal() ?? null };
  }

  async function proof({ params, request }: { params: { readonly id: string }; request: Request }) {
    takeProof(request);
    refuseFalseHead();
    const id = await findEventId(core, eventRef(params.id));
    return new Response(await proveEvent(core, id), { headers: PROOF_HEADERS });
  }

  async function rollback({ params, request }: { params: { readonly epoch: string }; request: Request }) {
    takeProof(request);
    if (!isId(params.epoch)) throw notFound("the log has no such epoch");
    return new Response(await readRollback(core, Number(params.epoch)), { headers: PROOF_HEADERS });
  }

  return { checkpoint, tile, entries, status, proof, rollback };
}
