// Which releases may write to a store. Every change states the generation of the release that makes it, in its row of the queue;
// once a store is finalized for a generation, the database itself refuses every earlier one, and what came with it may be used.

import { readGeneration, updateGeneration } from "./queries/schema.ts";
import { completeIfEmpty } from "./queries/side-tables.ts";
import { type MigrationTx, type Store, StoreError } from "./store.ts";

/** Of this release. It grows with each release whose states have a field that the one before would lose. */
export const GENERATION = 3;

/** The earliest generation that may write to the store; 1 where it is of before there were any. */
export async function readStoreGeneration(store: Store): Promise<number> {
  try {
    return (await store.read(readGeneration))[0]?.generation ?? 1;
  } catch (error) {
    if (error instanceof StoreError && error.kind === "missing_table") return 1;
    throw error;
  }
}

/**
 * Refuses the writes of every release before this one from now on: they must all have been stopped, or they fail. Returns the
 * generation there was; safe to repeat. Throws unavailable where the tables are held for too long.
 */
export async function finalize(store: Store): Promise<number> {
  const before = await store.migrate((tx) => raiseLeast(tx, store.engine));
  // By itself, since it takes another table: whoever writes may hold both.
  if (store.engine === "postgres") await store.migrate((tx) => tx.script(FORGET_HASHES));
  return before;
}

/** The same within the transaction that migrates a store which nobody else writes to. */
export async function finalizeWith(tx: MigrationTx, engine: Store["engine"]): Promise<void> {
  await raiseLeast(tx, engine);
  if (engine === "postgres") await tx.script(FORGET_HASHES);
}

async function raiseLeast(tx: MigrationTx, engine: Store["engine"]): Promise<number> {
  const [before] = await readGeneration(tx);
  const generation = before?.generation ?? 1;
  if (generation >= GENERATION) return generation;
  await tx.script(refusingBefore(engine, GENERATION));
  await updateGeneration(tx, GENERATION);
  await completeIfEmpty(tx);
  return generation;
}

/**
 * What makes the database refuse queue rows of an earlier generation. On PostgreSQL a check, before which nobody is left in the
 * middle of a change; SQLite learnt to put one check in another's place late, so there it is a trigger.
 */
export function refusingBefore(engine: Store["engine"], generation: number): string {
  // What waits for the log was written by who could then.
  const raised = `update log_queue set generation = ${generation} where generation < ${generation};`;
  if (engine === "postgres")
    return `lock table log_queue in access exclusive mode; ${raised}
      alter table log_queue drop constraint log_queue_generation_check;
      alter table log_queue add constraint log_queue_generation_check check (generation >= ${generation})`;
  return `${raised}
    drop trigger if exists log_queue_guard_generation;
    create trigger log_queue_guard_generation before insert on log_queue when new.generation < ${generation} begin
      select raise(abort, 'deadletter check: log_queue_generation_check');
    end`;
}

/** The first generation looks for an event by its hash; the others by subject and version. */
const FORGET_HASHES = "alter table events drop constraint if exists events_leaf_hash_key";

/** Whether a change was refused because a later release has been made the earliest that may write. */
export function isOutdatedWriter(error: unknown): boolean {
  return error instanceof StoreError && error.kind === "check" && error.constraint === "log_queue_generation_check";
}
