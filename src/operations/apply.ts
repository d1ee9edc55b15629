// How a change is made: commands are decided on locked rows, and what they make of them is written together with its events, its
// places in the queue before the log and its side tables. Nothing else writes a subject.

import { type SealedEvent, sealEvent } from "../audit/event.ts";
import { DeadletterError, unauthorized, unavailable } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { type Command, checkCommand, decide, ruleOf } from "../model/command.ts";
import type { State } from "../model/field.ts";
import { destinationFromState } from "../model/link.ts";
import {
  auditedState,
  cellOf,
  type Decision,
  type Stored,
  type Subject,
  type SubjectRow,
  stateFromRow,
} from "../model/subject.ts";
import { GENERATION, isOutdatedWriter } from "../store/generation.ts";
import { writeChanges } from "../store/queries/changes.ts";
import { listTaken } from "../store/queries/subjects.ts";
import { StoreError, type Tx } from "../store/store.ts";
import type { Committed, Core, Outcome, Work } from "./context.ts";
import { type KeyWorth, prepare, worthOf } from "./prepare.ts";
import { sideChangesOf } from "./side-tables.ts";

/**
 * Applies commands in one transaction, in their order: all of them or none. Throws DeadletterError for a command that is refused,
 * conflict where what must be unique is taken, unavailable where the store does not answer or no changes are taken.
 */
export async function apply(core: Core, caller: Caller, commands: readonly Command[]): Promise<readonly Outcome[]> {
  for (const command of commands) checkCommand(command, caller, core.ownHosts());
  return transact(core, caller, (work) => work.apply(commands));
}

/** The same of one command; resolves with the state that it left. */
export async function applyOne(core: Core, caller: Caller, command: Command): Promise<State> {
  const [outcome] = await apply(core, caller, [command]);
  return outcome?.state ?? {};
}

export interface TransactOptions {
  readonly deadlineMs?: number;
  /** Undoes everything at its end, and still says what it came to. */
  readonly isDryRun?: boolean;
  /** Whether to write although the stored log is refused: for what ends that. */
  readonly mayWriteRefused?: boolean;
}

const REFUSED_HINT = {
  hint: "DEADLETTER_REFUSED_WRITES=allow takes changes all the same",
  headers: { "retry-after": "60" },
};

/**
 * Runs a transaction that may look before it applies commands, and apply more than once. This process is told of its changes once
 * they are committed, and not before. `run` may be called again, so it must have no effect but its queries.
 */
export async function transact<T>(
  core: Core,
  caller: Caller,
  run: (work: Work) => Promise<T>,
  { isDryRun = false, mayWriteRefused = false, ...options }: TransactOptions = {},
): Promise<T> {
  const refusal = mayWriteRefused ? undefined : core.writeRefusal();
  if (refusal !== undefined) throw new DeadletterError("unavailable", `no changes are taken: ${refusal}`, REFUSED_HINT);
  for (let attempt = 1; ; attempt++) {
    let progress = startProgress();
    const once = async (tx: Tx) => {
      // A transaction that the store runs again begins anew.
      const mine = startProgress();
      progress = mine;
      const work = { core, caller, tx, apply: (commands: readonly Command[]) => applyAll(work, commands, mine) };
      const result = await run(work);
      if (isDryRun) throw new DryRunEnd(result);
      return result;
    };
    try {
      const result = await core.store.begin(once, options);
      if (progress.committed.length > 0) core.onCommit(progress.committed);
      return result;
    } catch (error) {
      // Rolling everything back is what makes a dry run one: it has met every rule of the database.
      if (error instanceof DryRunEnd) return error.result as T;
      const { tries, refusal } = await explain(core, error, progress.writing);
      if (attempt >= tries) throw refusal;
    }
  }
}

/** How far a transaction is. */
interface Progress {
  readonly committed: Committed[];
  /** What is being written: of this it is that a rule of the database's is broken. */
  writing: readonly Change[];
  worth: KeyWorth | undefined;
}

function startProgress(): Progress {
  return { committed: [], writing: [], worth: undefined };
}

class DryRunEnd extends Error {
  readonly result: unknown;
  constructor(result: unknown) {
    super("dry run");
    this.result = result;
  }
}

/** A decision with its event: what is written. */
interface Change {
  readonly subject: Subject;
  /** Undefined for a subject that is made. */
  readonly before: Stored<SubjectRow> | undefined;
  readonly decision: Decision;
  readonly after: Stored<SubjectRow>;
  /** Of the subject as it becomes. */
  readonly state: State;
  readonly event: SealedEvent;
  /** Whether something of it was drawn, so that another draw would make another. */
  readonly isDrawn: boolean;
}

async function applyAll(work: Work, commands: readonly Command[], progress: Progress): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let at = 0; at < commands.length; at += LIMITS.applyRows) {
    const part = await applyPart(work, commands.slice(at, at + LIMITS.applyRows), progress);
    progress.writing = part.changes;
    await write(work, part, progress);
    outcomes.push(...part.outcomes);
    progress.committed.push(...part.changes.map(committedOf));
  }
  return outcomes;
}

async function applyPart(work: Work, commands: readonly Command[], progress: Progress) {
  const { core, caller } = work;
  const prepared = await prepare(work, commands, progress.worth);
  const { worth, nowMs, known, unasked } = prepared;
  if (!unasked) progress.worth = worth;
  const ownHosts = core.ownHosts();
  const changes: Change[] = [];
  const outcomes = commands.map((command, at): Outcome => {
    const { subject, rule } = ruleOf(command);
    const drawn = prepared.drawn[at] ?? { id: 0, text: "" };
    const before = rule.makes === undefined ? known.find(subject.type, drawn.id) : undefined;
    const { isKeyLive, generation } = worth;
    const context = { caller, isKeyLive, nowMs, generation, ownHosts, drawn, known };
    const decision = decide(before ?? null, command, context);
    // Only what is there can be so already.
    if (decision === null) return { state: stateFromRow(subject, before ?? {}), isChanged: false };
    const change = seal(core, caller, { subject, before, decision, nowMs, isDrawn: drawn.text !== "" });
    changes.push(change);
    known.put(subject, change.after);
    return { state: change.state, isChanged: true };
  });
  return { outcomes, changes, unasked };
}

function seal(
  core: Core,
  { userId, keyId, via, requestId, client }: Caller,
  decided: Pick<Change, "subject" | "before" | "decision" | "isDrawn"> & { readonly nowMs: number },
): Change {
  const { subject, before, decision, nowMs, isDrawn } = decided;
  const { next, op, reason, beside } = decision;
  const state = stateFromRow(subject, next);
  const audited = auditedState(subject, state);
  const actor = { user_id: userId, key_id: keyId, via, request_id: requestId, reason };
  const event = sealEvent(
    core.logKey,
    {
      subjectType: subject.type,
      subjectId: next.id,
      version: next.version,
      op,
      // What was imported keeps its own times; everything else happened when it says that it was updated.
      atMs: op === "imported" ? nowMs : next.updated_at_ms,
      previousHash: before?.head ?? null,
      actor: client === undefined || client === "" ? actor : { ...actor, client },
      state: beside === undefined ? audited : { ...audited, ...beside },
    },
    core.randomBytes,
  );
  return { subject, before, decision, isDrawn, after: { ...next, head: event.leaf_hash }, state, event };
}

/** Throws unauthorized where a key that was not asked about before turns out not to be good. */
async function write(
  { core, caller, tx }: Work,
  { changes, unasked }: { readonly changes: readonly Change[]; readonly unasked: Subject | undefined },
  progress: Progress,
): Promise<void> {
  if (changes.length === 0) return;
  const made = new Map<Subject, Stored<SubjectRow>[]>();
  for (const { subject, before, after } of changes) {
    if (before !== undefined) continue;
    const rows = made.get(subject);
    if (rows) rows.push(after);
    else made.set(subject, [after]);
  }
  const written = {
    events: changes.map(({ event }) => event),
    generation: GENERATION,
    made,
    changed: changes.filter(({ before }) => before).map(({ subject, after }) => ({ subject, row: after })),
    sides: sideChangesOf(changes),
  };
  const standing = await writeChanges(tx, written, unasked && { keyId: caller.keyId, wanted: unasked });
  if (!unasked || !standing) return;
  core.ahead.learn(unasked, standing);
  progress.worth = worthOf(caller, standing, core.clock.now());
  if (!progress.worth.isKeyLive) throw unauthorized("the key is not valid");
}

function committedOf({ subject, decision, state, event }: Change): Committed {
  const { id, version } = decision.next;
  const { op } = decision;
  return { type: subject.type, id, version, op, leafHash: event.leaf_hash, link: destinationFromState(state) };
}

/** How often a transaction that failed so is tried altogether, and what it is refused with in the end. */
async function explain(core: Core, error: unknown, writing: readonly Change[]) {
  if (isOutdatedWriter(error)) {
    const hint = "the store was finalized for a later release: upgrade this one";
    return {
      tries: 1,
      refusal: unavailable("this release may not write to the store any more", { cause: error, hint }),
    };
  }
  if (!(error instanceof StoreError) || error.kind !== "unique") return { tries: 1, refusal: error };
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
  const textOf = ({ after }: Change) => {
    const value = String(cellOf(after, unique.column));
    return unique.isFolded ? value.toLowerCase() : value;
  };
  const rows = await core.store.read((sql) => listTaken(sql, first.subject, unique, candidates.map(textOf)));
  const taken = new Map(rows.map(({ value, id }) => [value, id]));
  for (const change of candidates) {
    const holder = taken.get(textOf(change));
    if (holder !== undefined && holder !== change.after.id) return change;
    taken.set(textOf(change), change.after.id);
  }
  return undefined;
}
