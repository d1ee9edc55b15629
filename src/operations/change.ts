// Commands within a transaction: decided on locked rows, sealed into events, written with all that follows from them.

import { type SealedEvent, sealEvent } from "../audit/event.ts";
import type { InlineBatch, InlineEvent } from "../audit/sequencer/inline.ts";
import { DeadletterError, notFound, unauthorized } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { checkCaller, decide, ruleOf } from "../model/command.ts";
import { destinationFromState } from "../model/destination.ts";
import type { State } from "../model/field.ts";
import {
  auditedState,
  cellOf,
  type Decision,
  type Stored,
  type Subject,
  type SubjectRow,
  stateFromRow,
  storedColumnsOf,
} from "../model/subject.ts";
import { GENERATION } from "../store/generation.ts";
import { type ChangedRows, makeWrites, type Written } from "../store/queries/changes.ts";
import type { Standing } from "../store/queries/keys.ts";
import type { Tx } from "../store/store.ts";
import type { Ask, Outcome, Result } from "./ask.ts";
import type { Committed, Core } from "./context.ts";
import type { EarlierRequests } from "./idempotency.ts";
import { keyIdsOf, prepare, Worths } from "./prepare.ts";
import { sideChangesOf } from "./side-tables.ts";

/** How far a transaction is. */
export interface Progress {
  readonly committed: Committed[];
  /** What is being written: of this it is that a rule of the database's is broken. */
  writing: readonly Change[];
  worths: Worths | undefined;
  /** Asks whether its events may go into the log at once; undefined where they wait in the queue. */
  readonly openLog: ((tx: Tx) => Promise<InlineBatch | undefined>) | undefined;
  /** Awaited before anything is written. */
  readonly beforeWrite: (() => Promise<void>) | undefined;
  /** What came of that, once it was asked. */
  inline: Promise<InlineBatch | undefined> | undefined;
}

export function startProgress(given: Pick<Progress, "openLog" | "beforeWrite">): Progress {
  return { ...given, committed: [], writing: [], worths: undefined, inline: undefined };
}

/** A decision with its event: what is written. */
export interface Change {
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

interface ApplyOptions {
  readonly progress: Progress;
  /** Whether a command that is refused fails alone; otherwise its refusal is thrown. */
  readonly isEachAlone: boolean;
  /** What is thrown for a refused command, by its place. */
  readonly onRefused?: ((at: number, refusal: DeadletterError) => DeadletterError) | undefined;
}

/** Decides and writes, in order: LIMITS.applyRows are looked up together. */
export async function applyAll(
  core: Core,
  tx: Tx,
  asks: readonly Ask[],
  options: ApplyOptions,
): Promise<readonly Result[]> {
  const { progress } = options;
  const results: Result[] = [];
  const size = LIMITS.applyRows[core.store.engine];
  for (let at = 0; at < asks.length; at += size) {
    const part = asks.slice(at, at + size);
    // Sent together with what is read to decide. Where it fails, so does the rest.
    progress.inline ??= progress.openLog?.(tx).catch(() => undefined);
    const deciding = await lookUp(core, tx, part, {
      ...options,
      onRefused: (within, refusal) => options.onRefused?.(at + within, refusal) ?? refusal,
    });
    progress.writing = deciding.changes;
    results.push(...(await decideAndWrite(core, tx, part, { deciding, progress })));
    progress.committed.push(...deciding.changes.map(committedOf));
  }
  return results;
}

export function outcomeOf(result: Result): Outcome {
  if ("refusal" in result) throw result.refusal;
  return result.outcome;
}

/** Commands whose rows have been looked up. */
interface Deciding {
  /** The one at a place; in their order. */
  decide(at: number): Result;
  /** What has been decided so far. */
  readonly changes: readonly Change[];
  readonly earlier: EarlierRequests;
  /** Keys that the write asks about. */
  readonly unasked: { readonly keyIds: readonly number[]; readonly subject: Subject } | undefined;
}

async function lookUp(
  core: Core,
  tx: Tx,
  asks: readonly Ask[],
  { progress, isEachAlone, onRefused }: ApplyOptions,
): Promise<Deciding> {
  const prepared = await prepare(core, tx, asks, { before: progress.worths, isEachAlone });
  const { worths, nowMs, known, taken, isUnasked } = prepared;
  if (!isUnasked) progress.worths = worths;
  const ownHosts = core.ownHosts();
  const { heldBy } = core.holds;
  const changes: Change[] = [];
  const decideOne = (ask: Ask, at: number): Outcome => {
    const { caller, command, name } = ask;
    const { subject, rule } = ruleOf(command);
    const isKeyLive = worths.isKeyLive(caller);
    checkCaller(command, { caller, isKeyLive });
    const repeated = prepared.earlier.find(ask, nowMs);
    if (repeated) return repeated;
    let drawn = prepared.drawn[at] ?? { id: 0, text: "" };
    if (name !== undefined) {
      // A command before it may have made it.
      const named = known.findNamed(subject, name);
      if (!named) throw notFound(`no ${subject.noun} ${JSON.stringify(name)}`);
      drawn = { ...drawn, id: named.id };
    }
    const before = rule.makes === undefined ? known.find(subject.type, drawn.id) : undefined;
    const { generation } = worths;
    const context = { caller, isKeyLive, nowMs, generation, ownHosts, drawn, known, heldBy };
    const decision = decide(before ?? null, command, context);
    // Only what is there can be so already.
    if (decision === null) {
      prepared.earlier.keep(ask, subject, before ?? { id: 0, version: 0 }, nowMs);
      return { state: stateFromRow(subject, before ?? {}), isChanged: false };
    }
    if (isEachAlone) taken.check(subject, decision.next);
    const change = seal(core, caller, { subject, before, decision, nowMs, isDrawn: drawn.text !== "" });
    changes.push(change);
    known.put(subject, change.after);
    prepared.earlier.keep(ask, subject, change.after, nowMs);
    if (isEachAlone) taken.take(subject, change.after, before);
    return { state: change.state, isChanged: true };
  };
  const decideAt = (at: number): Result => {
    try {
      return { outcome: decideOne(asks[at] as Ask, at) };
    } catch (error) {
      if (!(error instanceof DeadletterError)) throw error;
      if (!isEachAlone) throw onRefused?.(at, error) ?? error;
      return { refusal: error };
    }
  };
  const [first] = asks;
  const unasked = isUnasked && first ? { keyIds: keyIdsOf(asks), subject: ruleOf(first.command).subject } : undefined;
  return { decide: decideAt, changes, earlier: prepared.earlier, unasked };
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

/**
 * LIMITS.writeRows at a time: while SQLite writes some, the next are decided. Throws unauthorized where a key that was not
 * asked about before turns out not to be good.
 */
async function decideAndWrite(
  core: Core,
  tx: Tx,
  asks: readonly Ask[],
  { deciding, progress }: { readonly deciding: Deciding; readonly progress: Progress },
): Promise<readonly Result[]> {
  const { changes, earlier, unasked } = deciding;
  const inline = await progress.inline;
  const results: Result[] = [];
  const writing: Promise<readonly Standing[] | undefined>[] = [];
  try {
    while (results.length < asks.length) {
      // What was written before goes on its way. Nobody else has a turn: the database would have to wait as well.
      if (results.length > 0) await new Promise<void>((resolve) => process.nextTick(resolve));
      const decided = changes.length;
      const until = Math.min(asks.length, results.length + LIMITS.writeRows[core.store.engine]);
      while (results.length < until) results.push(deciding.decide(results.length));
      if (changes.length === decided) continue;
      const written = writtenOf(changes.slice(decided), inline ? undefined : GENERATION);
      const keyIds = writing.length === 0 ? unasked?.keyIds : undefined;
      const send = makeWrites(tx, written, keyIds);
      if (writing.length === 0) await progress.beforeWrite?.();
      const sent = send();
      // It is looked at below, whatever comes of the rest.
      sent.catch(() => {});
      writing.push(sent);
    }
    if (changes.length === 0) {
      await earlier.write(tx);
      return results;
    }
    const lacking = unasked ? core.ahead.lacks(unasked.subject) : 0;
    const [[standings], , drawn] = await Promise.all([
      Promise.all(writing),
      inline?.write(tx, changes.map(inlineEventOf)),
      unasked && lacking > 0 ? tx.drawIds(unasked.subject, lacking) : undefined,
      earlier.write(tx),
    ]);
    if (unasked && standings) takeStandings(core, progress, { ...unasked, standings, drawn: drawn ?? [] });
    return results;
  } catch (error) {
    await Promise.allSettled(writing);
    throw error;
  }
}

function writtenOf(changes: readonly Change[], generation: number | undefined): Written {
  return {
    events: changes.map(({ event }) => event),
    generation,
    made: rowsOf(changes.filter(({ before }) => before === undefined)),
    changed: rowsOf(changes.filter(({ before }) => before !== undefined)),
    sides: sideChangesOf(changes),
  };
}

interface Asked {
  readonly subject: Subject;
  readonly keyIds: readonly number[];
  readonly standings: readonly Standing[];
  readonly drawn: readonly number[];
}

/** Throws unauthorized where one of the keys is not good. */
function takeStandings(core: Core, progress: Progress, { subject, keyIds, standings, drawn }: Asked): void {
  core.ahead.keep(subject, drawn);
  const worths = Worths.from(standings, core.clock.now());
  progress.worths = worths;
  core.ahead.learn(worths.generation);
  if (!keyIds.every((keyId) => worths.isLive(keyId))) throw unauthorized("the key is not valid");
}

/** By kind, in order; a row that is there already begins another list. */
function rowsOf(changes: readonly Change[]): readonly ChangedRows[] {
  const lists: { subject: Subject; byId: Map<number, Stored<SubjectRow>>; moved: Set<string> }[] = [];
  for (const { subject, before, after } of changes) {
    let list = lists.findLast((each) => each.subject === subject);
    if (!list || list.byId.has(after.id)) {
      list = { subject, byId: new Map(), moved: new Set() };
      lists.push(list);
    }
    list.byId.set(after.id, after);
    if (!before) continue;
    for (const { name } of storedColumnsOf(subject).changing)
      if (cellOf(before, name) !== cellOf(after, name)) list.moved.add(name);
  }
  return lists.map(({ byId, ...list }) => ({ ...list, rows: [...byId.values()].sort((a, b) => a.id - b.id) }));
}

function inlineEventOf({ before, state, event }: Change): InlineEvent {
  return { event, previousHash: before?.head ?? null, link: destinationFromState(state) };
}

function committedOf({ subject, decision, state, event }: Change): Committed {
  const { id, version } = decision.next;
  const { op } = decision;
  return { type: subject.type, id, version, op, leafHash: event.leaf_hash, link: destinationFromState(state) };
}
