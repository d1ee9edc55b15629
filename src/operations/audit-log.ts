// Reads the signed log for whoever asks: its head, its tiles, entries in order, and the proof of one event.

import { type Static, Type } from "@sinclair/typebox";
import { encodeVerifierKey } from "../audit/log-key.ts";
import { storedTiles } from "../audit/stored-tree.ts";
import { notFound, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Viewer } from "../model/caller.ts";
import { countEvents } from "../model/counters.ts";
import type { LogEntry } from "../model/event.ts";
import { nullable, Timestamp } from "../model/schema.ts";
import { formatTime } from "../model/time.ts";
import { sha256 } from "../runtime/sha256.ts";
import { GENERATION } from "../store/generation.ts";
import { findEvent, readCounters } from "../store/queries/events.ts";
import {
  clearQuarantine,
  findLeaf,
  type LogHead,
  listEntries,
  listLoggedEvents,
  listQuarantined,
  readHeadAndQuarantine,
  readLogHead,
  requeueQuarantined,
} from "../store/queries/log.ts";
import type { Sql } from "../store/store.ts";
import { openCheckpoint } from "../tlog/checkpoint.ts";
import { CheckpointError, type VerifierKey } from "../tlog/note.ts";
import { encodeProof } from "../tlog/proof.ts";
import { encodeBundle, hashesAt, proveInclusion, TILE_WIDTH, type Tile } from "../tlog/tiles.ts";
import type { Core } from "./context.ts";
import { showEvents } from "./events.ts";

export const LogStatus = Type.Object(
  {
    origin: Type.String(),
    verifier_key: Type.String({ description: "C2SP signed-note verifier key" }),
    size: Type.Integer(),
    root: nullable(Type.String({ description: "base64, as in the checkpoint; null before the first" })),
    checkpoint_at: nullable(Timestamp),
    checkpoint_age_seconds: nullable(Type.Integer()),
    backlog: Type.Integer({ description: "events that are committed and not yet in the log" }),
    quarantined: Type.Integer({ description: "events that are false and are kept out of the log" }),
    quarantine: Type.Array(
      Type.Object({
        event_id: Type.Integer(),
        subject: Type.String(),
        version: Type.Integer(),
        reason: Type.String(),
        at: Timestamp,
      }),
      { description: `the first ${LIMITS.pageSizeDefault} of them` },
    ),
  },
  { $id: "LogStatus" },
);
export type LogStatus = Static<typeof LogStatus>;

/** Throws unavailable before the first checkpoint was signed. */
export function readSignedHead({ store }: Core): Promise<LogHead> {
  return store.read(signedHead);
}

async function signedHead(sql: Sql): Promise<LogHead> {
  const [head] = await readLogHead(sql);
  if (!head || head.note === "") throw unavailable("the log has no checkpoint yet: no sequencer has run");
  return head;
}

/** A tile's bytes. Throws not_found for a tile that the signed tree does not have. */
export function readTile({ store }: Core, tile: Tile): Promise<Uint8Array> {
  return store.read((sql) => tileOf(sql, tile));
}

async function tileOf(sql: Sql, tile: Tile): Promise<Uint8Array> {
  const { size } = await signedHead(sql);
  const start = tile.index * TILE_WIDTH;
  const end = start + tile.width;
  if (end > hashesAt(tile.level === "entries" ? 0 : tile.level, size)) throw notFound("the log has no such tile");
  if (tile.level !== "entries") return storedTiles(sql)({ ...tile, level: tile.level });
  const entries = await listEntries(sql, start, end);
  if (entries.length !== tile.width) throw new CheckpointError(`the store lacks entries of bundle ${tile.index}`);
  return encodeBundle(entries.map(({ leaf }) => leaf));
}

/** Up to `limit` events of the log from an index on, never past the signed size. */
export function readEntries(
  { store }: Core,
  viewer: Viewer,
  range: { readonly from: number; readonly limit: number },
): Promise<LogEntry[]> {
  return store.read((sql) => entriesOf(sql, viewer, range));
}

async function entriesOf(
  sql: Sql,
  viewer: Viewer,
  { from, limit }: { readonly from: number; readonly limit: number },
): Promise<LogEntry[]> {
  // The size first: what comes into the log meanwhile is no gap.
  const { size } = (await readLogHead(sql))[0] ?? { size: 0 };
  const rows = await listLoggedEvents(sql, from, limit);
  const gap = rows.findIndex(({ log_index }, at) => log_index !== from + at);
  // An entry whose event is gone must not be passed over in silence.
  if (gap !== -1 || from + rows.length < Math.min(from + limit, size))
    throw new CheckpointError(
      `entry ${from + (gap === -1 ? rows.length : gap)} of the log cannot be read: its event is gone`,
    );
  const events = await showEvents(sql, rows, viewer);
  return events.map((event, at) => ({ index: rows[at]?.log_index ?? 0, ...event }));
}

/** The event's tlog-proof under the newest checkpoint. Throws not_found for no event, and for one that is not in the log. */
export function proveEvent({ store, logKey }: Core, id: number): Promise<string> {
  return store.read((sql) => proofOf(sql, logKey, id));
}

async function proofOf(sql: Sql, key: VerifierKey, id: number): Promise<string> {
  const [leaf] = await findLeaf(sql, id);
  const head = await signedHead(sql);
  if (!leaf || leaf.idx >= head.size) throw await notInLog(sql, id);
  const { size } = openCheckpoint(head.note, key);
  return encodeProof(leaf.idx, await proveInclusion(sha256, storedTiles(sql), leaf.idx, size), head.note);
}

async function notInLog(sql: Sql, id: number) {
  const [event] = await findEvent(sql, id);
  return event
    ? notFound(`event ${id} is not in the log yet`, "it is on its way: ask again in a second")
    : notFound(`no event ${id}`);
}

export function readLogStatus({ store, logKey, clock }: Core): Promise<LogStatus> {
  return store.read((sql) => statusOf(sql, logKey, clock.now()));
}

async function statusOf(sql: Sql, key: VerifierKey, nowMs: number): Promise<LogStatus> {
  const [[head], counters, quarantine] = await Promise.all([
    readHeadAndQuarantine(sql),
    readCounters(sql),
    listQuarantined(sql, LIMITS.pageSizeDefault),
  ]);
  const size = head?.size ?? 0;
  const quarantined = head?.quarantined ?? 0;
  const isSigned = head !== undefined && head.note !== "";
  return {
    origin: key.origin,
    verifier_key: encodeVerifierKey(key),
    size,
    root: isSigned ? (head.note.split("\n")[2] ?? null) : null,
    checkpoint_at: isSigned ? formatTime(head.at_ms) : null,
    checkpoint_age_seconds: isSigned ? Math.max(0, Math.round((nowMs - head.at_ms) / 1000)) : null,
    backlog: Math.max(0, countEvents(counters) - size - quarantined),
    quarantined,
    quarantine: quarantine.map(({ event_id, subject_type, subject_id, version, reason, at_ms }) => ({
      event_id,
      subject: `${subject_type}:${subject_id}`,
      version,
      reason,
      at: formatTime(at_ms),
    })),
  };
}

/** Gives what is in quarantine back to the queue, to be checked once more; how many events that were. */
export function retryQuarantined({ store }: Core): Promise<number> {
  return store.begin(async (tx) => {
    const found = await requeueQuarantined(tx, GENERATION);
    await clearQuarantine(tx);
    return found.length;
  });
}
