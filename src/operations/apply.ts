// How a change is made: commands are decided on locked rows, and what they make of them is written together with its events, its
// places in the queue before the log and its side tables. Nothing else writes a subject.

import { type SealedEvent, sealEvent } from "../audit/event.ts";
import { DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { type Command, decide, ruleOf } from "../model/command.ts";
import type { State } from "../model/field.ts";
import { destinationFromState } from "../model/link.ts";
import {
  auditedState,
  type Decision,
  type Stored,
  type Subject,
  type SubjectRow,
  stateFromRow,
} from "../model/subject.ts";
import { GENERATION, isOutdatedWriter } from "../store/generation.ts";
import { writeChanges } from "../store/queries/changes.ts";
import { isUniqueViolation, StoreError, type Tx } from "../store/store.ts";
import type { Committed, Core } from "./context.ts";
import { prepare } from "./prepare.ts";
import { sideChangesOf } from "./side-tables.ts";

/** What became of the subject of a command. */
export interface Outcome {
  /** All of it, also what nobody is shown. */
  readonly state: State;
  /** False where the subject was so already: there is no event. */
  readonly isChanged: boolean;
}

/** One transaction on somebody's behalf. */
export interface Work {
  readonly core: Core;
  readonly caller: Caller;
  readonly tx: Tx;
  /** Decides and writes, in order; one outcome a command. Throws what the first refused one is refused with. */
  apply(commands: readonly Command[]): Promise<readonly Outcome[]>;
}

/**
 * Applies commands in one transaction, in their order: all of them or none. Throws DeadletterError for a command that is refused,
 * conflict where what must be unique is taken, unavailable where the store does not answer or no changes are taken.
 */
export function apply(core: Core, caller: Caller, commands: readonly Command[]): Promise<readonly Outcome[]> {
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
}

const REFUSED_HINT = {
  hint: "see deadletter log status; DEADLETTER_REFUSED_WRITES=allow takes changes all the same",
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
  { isDryRun = false, ...options }: TransactOptions = {},
): Promise<T> {
  const refusal = core.writeRefusal();
  if (refusal !== undefined) throw new DeadletterError("unavailable", `no changes are taken: ${refusal}`, REFUSED_HINT);
  for (let attempt = 1; ; attempt++) {
    let changes: Change[] = [];
    const once = async (tx: Tx) => {
      // A transaction that the store runs again begins its list anew.
      const list: Change[] = [];
      changes = list;
      const result = await run({ core, caller, tx, apply: (commands) => applyAll(core, caller, tx, commands, list) });
      if (isDryRun) throw new DryRunEnd(result);
      return result;
    };
    try {
      const result = await core.store.begin(once, options);
      if (changes.length > 0) core.onCommit(changes.map(committedOf));
      return result;
    } catch (error) {
      // Rolling everything back is what makes a dry run one: it has met every rule of the database.
      if (error instanceof DryRunEnd) return error.result as T;
      if (attempt >= triesAgainst(error, changes)) throw refusalOf(error, changes);
    }
  }
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

async function applyAll(
  core: Core,
  caller: Caller,
  tx: Tx,
  commands: readonly Command[],
  changes: Change[],
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let at = 0; at < commands.length; at += LIMITS.applyRows) {
    const part = await applyPart(core, caller, tx, commands.slice(at, at + LIMITS.applyRows));
    outcomes.push(...part.outcomes);
    // Before they are written: what breaks a rule of the database's is one of them.
    changes.push(...part.changes);
    await write(tx, part.changes);
  }
  return outcomes;
}

async function applyPart(core: Core, caller: Caller, tx: Tx, commands: readonly Command[]) {
  const prepared = await prepare(core, caller, tx, commands);
  const { isKeyLive, nowMs, generation, known } = prepared;
  const ownHosts = core.ownHosts();
  const changes: Change[] = [];
  const outcomes = commands.map((command, at): Outcome => {
    const { subject, rule } = ruleOf(command);
    const drawn = prepared.drawn[at] ?? { id: 0, text: "" };
    const before = rule.makes === undefined ? known.find(subject.type, drawn.id) : undefined;
    const context = { caller, isKeyLive, nowMs, generation, ownHosts, drawn, known };
    const decision = decide(before ?? null, command, context);
    // Only what is there can be so already.
    if (decision === null) return { state: stateFromRow(subject, before ?? {}), isChanged: false };
    const change = seal(core, caller, { subject, before, decision, nowMs, isDrawn: drawn.text !== "" });
    changes.push(change);
    known.put(subject, change.after);
    return { state: change.state, isChanged: true };
  });
  return { outcomes, changes };
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

async function write(tx: Tx, changes: readonly Change[]): Promise<void> {
  if (changes.length === 0) return;
  const made = new Map<Subject, Stored<SubjectRow>[]>();
  for (const { subject, before, after } of changes) {
    if (before !== undefined) continue;
    const rows = made.get(subject);
    if (rows) rows.push(after);
    else made.set(subject, [after]);
  }
  await writeChanges(tx, {
    events: changes.map(({ event }) => event),
    generation: GENERATION,
    made,
    changed: changes.filter(({ before }) => before).map(({ subject, after }) => ({ subject, row: after })),
    sides: sideChangesOf(changes),
  });
}

function committedOf({ subject, decision, state, event }: Change): Committed {
  const { id, version } = decision.next;
  const { op } = decision;
  return { type: subject.type, id, version, op, leafHash: event.leaf_hash, link: destinationFromState(state) };
}

/** How often a transaction that failed so is tried altogether: again only where another draw may succeed. */
function triesAgainst(error: unknown, changes: readonly Change[]): number {
  // An id drawn before an import took it: the next draw gives a free one.
  if (isUniqueViolation(error, "events_subject_key")) return LIMITS.transactionRetries;
  return brokenBy(error, changes).some(({ isDrawn }) => isDrawn) ? LIMITS.generatedCodeTries : 1;
}

/** The refusal that a broken rule of the database's amounts to; the error itself where it is nobody's mistake. */
function refusalOf(error: unknown, changes: readonly Change[]): unknown {
  if (isOutdatedWriter(error))
    return new DeadletterError("unavailable", "this release may not write to the store any more", {
      hint: "the store was finalized for a later release: upgrade this one",
      cause: error,
    });
  const [about, ...others] = brokenBy(error, changes);
  if (!about) return error;
  if (about.isDrawn) return new DeadletterError("internal_error", "no free short code was found", { cause: error });
  const row = others.length === 0 ? about.after : undefined;
  return about.subject.uniques[(error as StoreError).constraint]?.refusal(row) ?? error;
}

/** The changes of which one has broken a unique index; none where something else went wrong. */
function brokenBy(error: unknown, changes: readonly Change[]): readonly Change[] {
  if (!(error instanceof StoreError) || error.kind !== "unique") return [];
  return changes.filter(({ subject }) => error.constraint in subject.uniques);
}
