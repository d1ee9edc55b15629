// Accepts that the log went back: an asynchronous standby was promoted, or a backup restored. What is given up is named in a signed
// statement, which every replica takes up; an event of the log's own says the same.

import type { Statement } from "../audit/checkpoint-memory.ts";
import { openTree, readPublished } from "../audit/sequencer/head.ts";
import { storedTiles } from "../audit/stored-tree.ts";
import { conflict, notFound, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { LOG, LOG_ID } from "../model/log.ts";
import { formatTime } from "../model/time.ts";
import { sleep } from "../runtime/clock.ts";
import { sha256 } from "../runtime/sha256.ts";
import { lockLogHead } from "../store/queries/log.ts";
import { lockSubjects } from "../store/queries/subjects.ts";
import type { Checkpoint } from "../tlog/checkpoint.ts";
import { isConsistent, isSameHash } from "../tlog/merkle.ts";
import type { VerifierKey } from "../tlog/note.ts";
import { type Rollback, signRollback } from "../tlog/rollback.ts";
import { proveConsistency } from "../tlog/tiles.ts";
import { transact } from "./apply.ts";
import type { Core, Work } from "./context.ts";

export interface AcceptOptions {
  /** The newest checkpoint that is given up. */
  readonly old: Checkpoint;
  /** The latest epoch that this host knows of: the store may have gone back behind it. */
  readonly knownEpoch: number;
  readonly reason: string;
  readonly isDryRun: boolean;
}

/**
 * Throws conflict where the log extends the checkpoint, and so did not go back, and where it was given up before; CheckpointError where its own head is false;
 * unavailable where somebody keeps sequencing.
 */
export async function acceptRollback(core: Core, caller: Caller, options: AcceptOptions): Promise<Statement> {
  const { isDryRun } = options;
  for (let tries = 1; ; tries++) {
    const accepted = await transact(core, caller, (work) => accept(work, options), { isDryRun, mayWriteRefused: true });
    if (accepted) return accepted;
    if (tries >= LIMITS.headTries) throw unavailable("another process holds the log's head", { hint: "try again" });
    await sleep(core.clock, LIMITS.headRetryMs);
  }
}

/** Undefined where a sequencer is at work. */
async function accept({ core, tx, apply }: Work, options: AcceptOptions): Promise<Statement | undefined> {
  const { old, knownEpoch, reason } = options;
  const [head] = await lockLogHead(tx);
  if (!head) return undefined;
  const { checkpoint } = await openTree(tx, head, core.logKey);
  const read = storedTiles(tx);
  const isExtended =
    old.size <= checkpoint.size &&
    isConsistent(sha256, old, checkpoint, await proveConsistency(sha256, read, old.size, checkpoint.size));
  if (isExtended)
    throw conflict(
      `the log extends that checkpoint of ${old.size} entries: it did not go back behind it`,
      "name the newest checkpoint that a replica or an auditor has kept: see deadletter log status",
    );
  const published = (await readPublished(tx, core.logKey)).map(({ rollback }) => rollback);
  const earlier = published.find((each) => each.old.size === old.size && isSameHash(each.old.root, old.root));
  if (earlier)
    throw conflict(
      `that checkpoint of ${old.size} entries was given up already, by the statement of epoch ${earlier.epoch}`,
      `the statement: GET /log/rollbacks/${earlier.epoch}. If the log went back again, name the newest checkpoint since`,
    );
  const epoch = Math.max(knownEpoch, ...published.map((each) => each.epoch)) + 1;
  const rollback: Rollback = { epoch, old, new: checkpoint, at: formatTime(core.clock.now()), reason };
  const note = signRollback(core.logKey, rollback);
  const [row] = await lockSubjects(tx, LOG, { ids: [LOG_ID], names: [] });
  const type = row ? "log.update" : "log.create";
  await apply([{ type, id: LOG_ID, epoch, statement: note, reason }]);
  return { note, rollback };
}

/** The statement that began an epoch. Throws not_found. */
export async function readRollback({ store, logKey }: Core, epoch: number): Promise<string> {
  const statement = (await readRollbacks({ store, logKey })).find(({ rollback }) => rollback.epoch === epoch);
  if (!statement) throw notFound(`the log has no epoch ${epoch}`);
  return statement.note;
}

function readRollbacks({
  store,
  logKey,
}: {
  store: Core["store"];
  logKey: VerifierKey;
}): Promise<readonly Statement[]> {
  return store.read((sql) => readPublished(sql, logKey));
}
