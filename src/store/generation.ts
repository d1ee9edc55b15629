// Which releases may write to a store. Every change states the generation of the release that makes it, in its row of the queue;
// once a store is finalized for a generation, the database itself refuses every earlier one, and what came with it may be used.

import { readGeneration, updateGeneration } from "./queries/schema.ts";
import { completeIfEmpty } from "./queries/side-tables.ts";
import { type Store, StoreError } from "./store.ts";

/** Of this release. It grows with each release whose states have a field that the one before would lose. */
export const GENERATION = 2;

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
export function finalize(store: Store): Promise<number> {
  return store.migrate(async (tx) => {
    const [before] = await readGeneration(tx);
    const generation = before?.generation ?? 1;
    if (generation >= GENERATION) return generation;
    if (store.engine === "postgres") await tx.script(LOCK_OUT);
    await tx.script(RAISE_LEAST);
    if (store.engine === "postgres") await tx.script(FORGET_HASHES);
    await updateGeneration(tx, GENERATION);
    await completeIfEmpty(tx);
    return generation;
  });
}

/** Nobody is in the middle of a change while it is decided who may make one. */
const LOCK_OUT = "lock table events, log_queue in access exclusive mode";

/** What waits for the log was written by who could then. */
const RAISE_LEAST = `
  update log_queue set generation = ${GENERATION} where generation < ${GENERATION};
  alter table log_queue drop constraint log_queue_generation_check;
  alter table log_queue add constraint log_queue_generation_check check (generation >= ${GENERATION})`;

/** The first generation looks for an event by its hash; the others by subject and version. */
const FORGET_HASHES = "alter table events drop constraint if exists events_leaf_hash_key";

/** Whether a change was refused because a later release has been made the earliest that may write. */
export function isOutdatedWriter(error: unknown): boolean {
  return error instanceof StoreError && error.kind === "check" && error.constraint === "log_queue_generation_check";
}
