// Fills side tables: in batches of their own, so that no change waits, from where the last one ended. A table is relied on once every
// subject has its rows; what is changed meanwhile brings its own.

import { LIMITS } from "../limits.ts";
import type { SideTable, Subject } from "../model/subject.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import { readStoreGeneration } from "../store/generation.ts";
import {
  deleteSideRows,
  deleteStraySideRows,
  insertSideRows,
  lockSideTable,
  readSideTables,
  updateSideTable,
} from "../store/queries/side-tables.ts";
import { lockSubjectsAfter } from "../store/queries/subjects.ts";
import type { Store, Tx } from "../store/store.ts";
import { SIDE_TABLES } from "./side-tables.ts";

export interface ReindexReport {
  /** `waiting`: older releases may still write, which do not know of these tables; `busy`: another process is at it. */
  readonly state: "complete" | "waiting" | "busy";
  /** Subjects whose rows were filled in. */
  readonly filled: number;
}

export interface ReindexOptions {
  /** Called after each batch. */
  readonly onProgress?: (filled: number) => void;
  /** Asked after each batch; the next call goes on from there. */
  readonly isStopped?: () => boolean;
}

/** Fills what is not complete. Safe to repeat, to interrupt and to race. */
export async function reindex(store: Store, options: ReindexOptions = {}): Promise<ReindexReport> {
  const { onProgress = () => {}, isStopped = () => false } = options;
  const generation = await readStoreGeneration(store);
  let filled = 0;
  let isWaiting = false;
  for (const { subject, side } of SIDE_TABLES) {
    // Releases that do not know of the table may still write, and would not keep it.
    isWaiting ||= generation < side.generation;
    if (generation < side.generation) continue;
    await restoreLine(store, side);
    for (;;) {
      const batch = await store.begin((tx) => fillBatch(tx, subject, side), { isBulk: true });
      if (batch === "busy") return { state: "busy", filled };
      filled += batch.filled;
      onProgress(filled);
      if (batch.isComplete) break;
      if (isStopped()) return { state: "busy", filled };
    }
  }
  return { state: isWaiting ? "waiting" : "complete", filled };
}

/** Begins every side table anew: none is relied on until reindex() has filled it. */
export async function forgetSideTables(store: Store): Promise<void> {
  for (const { subject, side } of SIDE_TABLES)
    await store.begin(
      async (tx) => {
        await updateSideTable(tx, { name: side.table, through_id: 0, is_complete: 0 });
        await deleteStraySideRows(tx, side, subject.table);
      },
      { deadlineMs: LIMITS.migrationMs },
    );
}

export interface SideTableStanding {
  readonly name: string;
  /** The last subject that was filled in. */
  readonly through_id: number;
  /** Whether it has the rows of all subjects, and may be relied on. */
  readonly is_complete: boolean;
}

export async function readSideTableStandings(store: Store): Promise<readonly SideTableStanding[]> {
  const rows = await store.read(readSideTables);
  return rows.map((row) => ({ ...row, is_complete: row.is_complete === 1 }));
}

/** The same until all that may be filled are complete, also where another process is at one of them. */
export async function reindexAll(
  store: Store,
  clock: Clock,
  { onProgress = () => {} }: ReindexOptions = {},
): Promise<ReindexReport> {
  let done = 0;
  for (;;) {
    const before = done;
    const { state, filled } = await reindex(store, { onProgress: (now) => onProgress(before + now) });
    done += filled;
    if (state !== "busy") return { state, filled: done };
    await sleep(clock, LIMITS.sequencerPollMs);
  }
}

/** A line that somebody took away would read as one that another process has locked. */
async function restoreLine(store: Store, { table }: SideTable): Promise<void> {
  const isThere = (await store.read(readSideTables)).some(({ name }) => name === table);
  if (!isThere) await store.begin((tx) => updateSideTable(tx, { name: table, through_id: 0, is_complete: 0 }));
}

/** Locks the subjects of one batch, so that what is written is what they say until it is committed. */
async function fillBatch(tx: Tx, subject: Subject, side: SideTable) {
  const [standing] = await lockSideTable(tx, side);
  if (!standing) return "busy" as const;
  if (standing.is_complete === 1) return { filled: 0, isComplete: true };
  const rows = await lockSubjectsAfter(tx, subject, standing.through_id, LIMITS.reindexRows);
  const isComplete = rows.length < LIMITS.reindexRows;
  const ids = rows.map(({ id }) => id);
  const made = rows.flatMap((row) => side.rowsOf(row));
  if (ids.length > 0) await deleteSideRows(tx, side, ids);
  if (made.length > 0) await insertSideRows(tx, side, made);
  const through_id = ids.at(-1) ?? standing.through_id;
  await updateSideTable(tx, { name: side.table, through_id, is_complete: isComplete ? 1 : 0 });
  return { filled: ids.length, isComplete };
}
