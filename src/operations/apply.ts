// How a change is made: commands are decided on locked rows, and what they make of them is written together with its events, its
// places in the queue before the log and its side tables. Nothing else writes a subject.

import { InlineMismatch } from "../audit/sequencer/inline.ts";
import { DeadletterError, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { type Command, checkCommand } from "../model/command.ts";
import { cellOf, foldedBy } from "../model/subject.ts";
import { isOutdatedWriter } from "../store/generation.ts";
import { listTaken } from "../store/queries/subjects.ts";
import { StoreError, type Tx } from "../store/store.ts";
import type { Ask, Outcome, Result } from "./ask.ts";
import { applyAll, type Change, outcomeOf, type Progress, startProgress } from "./change.ts";
import type { Core, Work } from "./context.ts";
import { IDEMPOTENCY_CONSTRAINT } from "./idempotency.ts";

/**
 * Applies commands in one transaction, in their order: all of them or none. Throws DeadletterError for a command that is refused,
 * conflict where what must be unique is taken, unavailable where the store does not answer or no changes are taken.
 */
export async function apply(core: Core, caller: Caller, commands: readonly Command[]): Promise<readonly Outcome[]> {
  for (const command of commands) checkCommand(command, caller, core.ownHosts());
  const asks = commands.map((command) => ({ caller, command }));
  return core.waiting.counts.measure(core.clock, () => applyAsks(core, asks));
}

/** The same of commands that have been checked, of whomever. */
export function applyAsks(
  core: Core,
  asks: readonly Ask[],
  { onRefused, ...options }: AsksOptions = {},
): Promise<readonly Outcome[]> {
  const run = async (tx: Tx, progress: Progress) =>
    (await applyAll(core, tx, asks, { progress, isEachAlone: false, onRefused })).map(outcomeOf);
  return tryAgain(core, run, options);
}

/** The same of one. */
export async function applyAlone(core: Core, ask: Ask, options: TransactOptions = {}): Promise<Outcome> {
  const [outcome] = await applyAsks(core, [ask], options);
  if (!outcome) throw new Error("a command came to nothing");
  return outcome;
}

interface AsksOptions extends TransactOptions {
  /** What the refusal of a command becomes, by its place. */
  readonly onRefused?: (at: number, refusal: DeadletterError) => DeadletterError;
}

export interface TransactOptions {
  readonly deadlineMs?: number;
  /** Undoes everything at its end, and still says what it came to. */
  readonly isDryRun?: boolean;
  /** Whether to write although the stored log is refused: for what ends that. */
  readonly mayWriteRefused?: boolean;
  /** Whether it is one of so many that nobody is about to follow all of their links. */
  readonly isBulk?: boolean;
  /** Called each time that something is about to be written, and awaited: what it throws ends the transaction. */
  readonly beforeWrite?: (() => Promise<void>) | undefined;
}

/**
 * Runs a transaction that may look before it applies commands, and apply more than once. This process is told of its changes once
 * they are committed, and not before. `run` may be called again, so it must have no effect but its queries.
 */
export async function transact<T>(
  core: Core,
  caller: Caller,
  run: (work: Work) => Promise<T>,
  options: TransactOptions = {},
): Promise<T> {
  const withWork = (tx: Tx, progress: Progress) => {
    const apply = async (commands: readonly Command[]) => {
      const asks = commands.map((command) => ({ caller, command }));
      return (await applyAll(core, tx, asks, { progress, isEachAlone: false })).map(outcomeOf);
    };
    return run({ core, caller, tx, apply });
  };
  return core.waiting.counts.measure(core.clock, () => tryAgain(core, withWork, options));
}

/** As often as another draw may help. */
async function tryAgain<T>(
  core: Core,
  run: (tx: Tx, progress: Progress) => Promise<T>,
  options: TransactOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(core, run, options);
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      const { tries, refusal } = await explain(core, error.cause, error.writing);
      if (attempt >= tries) throw refusal;
    }
  }
}

/**
 * Applies commands in one transaction, in their order: each that is refused fails alone. Throws where the whole transaction
 * failed, and then nothing of it is there, but for an unavailable that says otherwise.
 */
export async function applyEach(
  core: Core,
  asks: readonly Ask[],
  options: TransactOptions = {},
): Promise<readonly Result[]> {
  try {
    return await runOnce(core, (tx, progress) => applyAll(core, tx, asks, { progress, isEachAlone: true }), options);
  } catch (error) {
    throw error instanceof Failed ? (await explain(core, error.cause, error.writing)).refusal : error;
  }
}

interface RunOptions extends TransactOptions {
  /** Whether its events wait in the queue, wherever they could go: a dry run meets the queue's rule of releases as well. */
  readonly isQueued?: boolean;
}

const REFUSED_HINT = {
  hint: "DEADLETTER_REFUSED_WRITES=allow takes changes all the same",
  headers: { "retry-after": "60" },
};

/** Throws Failed for what the database refuses. */
async function runOnce<T>(
  core: Core,
  run: (tx: Tx, progress: Progress) => Promise<T>,
  {
    isDryRun = false,
    mayWriteRefused = false,
    isBulk = false,
    isQueued = isDryRun,
    beforeWrite,
    ...options
  }: RunOptions,
): Promise<T> {
  const refusal = mayWriteRefused ? undefined : core.writeRefusal();
  if (refusal !== undefined) throw new DeadletterError("unavailable", `no changes are taken: ${refusal}`, REFUSED_HINT);
  const { inline } = core;
  const openLog = isQueued || !inline ? undefined : (tx: Tx) => inline.open(tx);
  let progress = startProgress({ openLog, beforeWrite });
  const once = async (tx: Tx) => {
    // A transaction that the store runs again begins anew.
    progress = startProgress({ openLog, beforeWrite });
    const result = await run(tx, progress);
    if (isDryRun) throw new DryRunEnd(result);
    return result;
  };
  let result: T;
  try {
    const asking = core.holds.refresh();
    if (asking) await asking;
    result = await core.store.begin(once, { ...options, isBulk });
  } catch (error) {
    (await progress.inline)?.end();
    // The sequencer finds out what is wrong with the log.
    if (error instanceof InlineMismatch)
      return runOnce(core, run, { isDryRun, mayWriteRefused, isBulk, isQueued: true, beforeWrite, ...options });
    // Rolling everything back is what makes a dry run one: it has met every rule of the database.
    if (error instanceof DryRunEnd) return error.result as T;
    throw error instanceof StoreError ? new Failed(error, progress.writing) : error;
  }
  // It is committed: whatever comes of telling of it, it is not tried again.
  if (progress.committed.length === 0) return result;
  core.onCommit(progress.committed, isBulk);
  const batch = await progress.inline;
  if (batch) batch.publish();
  else inline?.queued();
  return result;
}

class DryRunEnd extends Error {
  readonly result: unknown;
  constructor(result: unknown) {
    super("dry run");
    this.result = result;
  }
}

/** The database refused what was being written. */
class Failed extends Error {
  override readonly cause: StoreError;
  readonly writing: readonly Change[];
  constructor(cause: StoreError, writing: readonly Change[]) {
    super(cause.message);
    this.cause = cause;
    this.writing = writing;
  }
}

/** How often a transaction that failed so is tried altogether, and what it is refused with in the end. */
async function explain(core: Core, error: StoreError, writing: readonly Change[]) {
  if (isOutdatedWriter(error)) {
    const hint = "the store was finalized for a later release: upgrade this one";
    return {
      tries: 1,
      refusal: unavailable("this release may not write to the store any more", { cause: error, hint }),
    };
  }
  if (error.kind !== "unique") return { tries: 1, refusal: error };
  // The same request was carried out at this very moment: the next look finds it.
  if (error.constraint === IDEMPOTENCY_CONSTRAINT) return { tries: LIMITS.transactionRetries, refusal: error };
  // An id drawn before an import took it: the next draw gives a free one.
  if (error.constraint === "events_subject_key") {
    core.ahead.forget();
    return { tries: LIMITS.transactionRetries, refusal: error };
  }
  const about = await findSecond(core, error.constraint, writing);
  const unique = about?.subject.uniques[error.constraint];
  if (!about || !unique) return { tries: 1, refusal: error };
  if (!about.isDrawn) return { tries: 1, refusal: unique.refusal(about.after) };
  const what = unique.column.replaceAll("_", " ");
  const refusal = new DeadletterError("internal_error", `no free ${what} was found`, { cause: error });
  return { tries: LIMITS.generatedCodeTries, refusal };
}

/** Of changes that were written in one go, the one that came second to a unique value: the database does not say which. */
async function findSecond(core: Core, constraint: string, writing: readonly Change[]): Promise<Change | undefined> {
  const candidates = writing.filter(({ subject }) => constraint in subject.uniques);
  const [first] = candidates;
  const unique = first?.subject.uniques[constraint];
  if (!first || !unique || candidates.length === 1) return first;
  const textOf = ({ after }: Change) => foldedBy(unique, String(cellOf(after, unique.column)));
  const rows = await core.store.read((sql) => listTaken(sql, first.subject, unique, candidates.map(textOf)));
  const taken = new Map(rows.map(({ value, id }) => [value, id]));
  for (const change of candidates) {
    const holder = taken.get(textOf(change));
    if (holder !== undefined && holder !== change.after.id) return change;
    taken.set(textOf(change), change.after.id);
  }
  return undefined;
}
