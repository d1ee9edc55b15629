// Checks the signed log of a store: that its leaves make the root that was signed, its stored hashes those of its leaves,
// and that it extends every checkpoint that was kept elsewhere. Whether each leaf is its event's is checked with the events.

import { LIMITS } from "../limits.ts";
import { sha256 } from "../runtime/sha256.ts";
import {
  countLog,
  listLeafHashes,
  listNodeHashes,
  listOrphanLeaves,
  listOrphansBeforeLog,
  readLogHead,
} from "../store/queries/log.ts";
import type { NodeRow } from "../store/queries/log-writes.ts";
import type { Sql } from "../store/store.ts";
import { type Checkpoint, openCheckpoint } from "../tlog/checkpoint.ts";
import { EMPTY_ROOT, Frontier, isSameHash } from "../tlog/merkle.ts";
import { CheckpointError, type VerifierKey } from "../tlog/note.ts";
import { covers, type Rollback } from "../tlog/rollback.ts";
import { hashesAt, TILE_HEIGHT } from "../tlog/tiles.ts";
import type { Statement } from "./checkpoint-memory.ts";
import type { Report } from "./finding.ts";
import { readPublished } from "./sequencer/head.ts";

export interface SavedCheckpoint {
  readonly place: string;
  readonly checkpoint: Checkpoint;
}

/** `logged` is how many events say that they are in the log. */
export async function verifyLog(
  sql: Sql,
  key: VerifierKey,
  options: Witnessed & { readonly logged: number; readonly report: Report },
): Promise<Checkpoint> {
  const { saved, given, logged, report } = options;
  const head = await readHead(sql, key, report);
  const published = await readPublished(sql, key);
  const sizes = [head.size, ...sizesOf({ saved, given: [...given, ...published] })];
  const roots = await walkLeaves(sql, sizes, report);
  checkRoots(head, roots, { saved, given, published }, report);
  for (const { rollback } of published)
    if (!isFrom(rollback, roots))
      report({
        subject: `log:1 (epoch ${rollback.epoch})`,
        detail: `the log's first ${rollback.new.size} entries are not those that its statement names`,
      });
  const [count] = await countLog(sql);
  const leaves = count?.leaves ?? 0;
  if (leaves !== head.size) report({ subject: "log", detail: `has ${leaves} entries, but was signed at ${head.size}` });
  if (count?.nodes !== countNodes(leaves))
    report({
      subject: "log",
      detail: `has ${count?.nodes} tree hashes where ${leaves} entries have ${countNodes(leaves)}`,
    });
  if (leaves !== logged) {
    for (const { idx } of await listOrphanLeaves(sql, LIMITS.verifyBatchRows))
      report({ subject: `log entry ${idx}`, detail: "its event is gone" });
  }
  for (const { event_id } of await listOrphansBeforeLog(sql, LIMITS.verifyBatchRows))
    report({ subject: `event:${event_id}`, detail: "is to come into the log, but is gone" });
  return head;
}

/** What was kept outside of the database. */
export interface Witnessed {
  readonly saved: readonly SavedCheckpoint[];
  /** Signed statements that the log went back: a checkpoint that one of them gives up is not to be extended. */
  readonly given: readonly Statement[];
}

/** How long the log was at each of them: the roots at these sizes are wanted. */
export function sizesOf({ saved, given }: Witnessed): readonly number[] {
  return [...saved.map(({ checkpoint }) => checkpoint.size), ...given.map(({ rollback }) => rollback.new.size)];
}

/** Whether the log is the one that goes on from where the statement says. */
function isFrom({ new: from }: Rollback, roots: ReadonlyMap<number, Uint8Array>): boolean {
  const root = roots.get(from.size);
  return root !== undefined && isSameHash(root, from.root);
}

/** Holds the root at each size that was signed or saved against what the leaves make. */
export function checkRoots(
  head: Checkpoint,
  roots: ReadonlyMap<number, Uint8Array>,
  { saved, given, published = [] }: Witnessed & { readonly published?: readonly Statement[] },
  report: Report,
): void {
  const root = roots.get(head.size);
  if (root && !isSameHash(root, head.root))
    report({ subject: "log", detail: `its ${head.size} entries do not make the root that was signed` });
  for (const { place, checkpoint } of saved) {
    const old = roots.get(checkpoint.size);
    if (old && isSameHash(old, checkpoint.root)) continue;
    const isGivenUp = ({ rollback }: Statement) => covers(rollback, checkpoint) && isFrom(rollback, roots);
    if (given.some(isGivenUp)) continue;
    const epoch = published.find(isGivenUp)?.rollback.epoch;
    const way =
      epoch === undefined
        ? ""
        : `; a signed statement says so: to accept it, --rollback FILE of /log/rollbacks/${epoch}`;
    const detail =
      checkpoint.size > head.size
        ? `the log had ${checkpoint.size} entries when it was saved, and has ${head.size}: it was restored from an older state`
        : `the log's first ${checkpoint.size} entries are not those it had when it was saved: it was forked or rewritten`;
    report({ subject: `checkpoint ${place}`, detail: detail + way });
  }
}

async function readHead(sql: Sql, key: VerifierKey, report: Report): Promise<Checkpoint> {
  const [head] = await readLogHead(sql);
  const empty = { size: 0, root: EMPTY_ROOT };
  if (!head) {
    report({ subject: "log", detail: "its head is gone" });
    return empty;
  }
  if (head.note === "" && head.size === 0) return empty;
  try {
    const checkpoint = openCheckpoint(head.note, key);
    if (checkpoint.size !== head.size)
      report({ subject: "log", detail: `its head says ${head.size} entries, its signature ${checkpoint.size}` });
    return checkpoint;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    report({ subject: "log", detail: `its head is false: ${error.message}` });
    return { size: head.size, root: EMPTY_ROOT };
  }
}

/** The roots of the stored leaves at the sizes asked for, as far as the leaves reach. */
async function walkLeaves(sql: Sql, sizes: readonly number[], report: Report): Promise<Map<number, Uint8Array>> {
  const wanted = new Set(sizes);
  const roots = new Map<number, Uint8Array>();
  const frontier = new Frontier(sha256);
  if (wanted.has(0)) roots.set(0, frontier.root);
  const step = LIMITS.verifyBatchRows * 4;
  for (let start = 0; ; start += step) {
    const leaves = await listLeafHashes(sql, start, start + step);
    const nodes: NodeRow[] = [];
    for (const { idx, hash } of leaves) {
      if (idx !== frontier.size) {
        report({ subject: `log entry ${frontier.size}`, detail: "is missing" });
        return roots;
      }
      frontier.append(hash, ({ level, index }, made) => {
        if (level % TILE_HEIGHT === 0) nodes.push({ level: level / TILE_HEIGHT, idx: index, hash: made });
      });
      if (wanted.has(frontier.size)) roots.set(frontier.size, frontier.root);
    }
    await checkNodes(sql, nodes, report);
    if (leaves.length < step) return roots;
  }
}

async function checkNodes(sql: Sql, nodes: readonly NodeRow[], report: Report): Promise<void> {
  for (const level of new Set(nodes.map((node) => node.level))) {
    const made = nodes.filter((node) => node.level === level);
    const first = made[0]?.idx ?? 0;
    const stored = await listNodeHashes(sql, level, first, first + made.length);
    const byIndex = new Map(stored.map(({ idx, hash }) => [idx, hash]));
    for (const { idx, hash } of made) {
      const found = byIndex.get(idx);
      if (!found || !isSameHash(found, hash))
        report({ subject: "log", detail: `tree hash ${idx} of tile level ${level} is not that of its entries` });
    }
  }
}

function countNodes(leaves: number): number {
  let count = 0;
  for (let level = 1; hashesAt(level, leaves) > 0; level++) count += hashesAt(level, leaves);
  return count;
}
