// What the sequencer writes: leaves and tree hashes, the head, what leaves the queue, the quarantine.

import { columns } from "../../model/subject.ts";
import type { Query, Tx } from "../store.ts";
import type { LogHead } from "./log.ts";

export function updateLogHead(tx: Tx, head: LogHead): Query<unknown> {
  return tx`update log_head set size = ${head.size}, note = ${head.note}, at_ms = ${head.at_ms} where id = 1`;
}

export interface LeafRow {
  readonly idx: number;
  readonly event_id: number;
  readonly leaf_hash: Uint8Array;
}

const LEAF_COLUMNS = columns({ idx: "integer", event_id: "integer", leaf_hash: "bytes" });

export function insertLeaves(tx: Tx, leaves: readonly LeafRow[]): Query<unknown> {
  return tx.insertRows("log_leaf", LEAF_COLUMNS, leaves);
}

export interface NodeRow {
  /** The tile level: a node of level 1 stands for 256 leaves. */
  readonly level: number;
  readonly idx: number;
  readonly hash: Uint8Array;
}

const NODE_COLUMNS = columns({ level: "integer", idx: "integer", hash: "bytes" });

export function insertNodes(tx: Tx, nodes: readonly NodeRow[]): Query<unknown> {
  return tx.insertRows("log_node", NODE_COLUMNS, nodes);
}

export function dequeue(tx: Tx, queueIds: readonly number[]): Query<unknown> {
  return tx`delete from log_queue where id ${tx.among(queueIds)}`;
}

const QUARANTINE_COLUMNS = columns({ event_id: "integer", reason: "text", at_ms: "integer" });

export function quarantine(
  tx: Tx,
  rows: readonly { readonly event_id: number; readonly reason: string; readonly at_ms: number }[],
): Query<unknown> {
  return tx.insertRows("log_quarantine", QUARANTINE_COLUMNS, rows);
}
