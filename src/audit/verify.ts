// Checks everything the store claims against everything it has written down, in one snapshot, without trusting either.
// Reads only. Streams in batches of LIMITS.verifyBatchRows, so memory does not grow with the log.

import { LIMITS } from "../limits.ts";
import { type State, SUBJECT_TYPES, type SubjectType } from "../model/event.ts";
import { keyStateFromRow } from "../model/key.ts";
import { linkFromRow } from "../model/link.ts";
import { userFromRow } from "../model/user.ts";
import { countEverything, type LoggedEvent, listChains, readCounters } from "../store/queries/events.ts";
import { listAllKeys } from "../store/queries/keys.ts";
import { listAllLinks } from "../store/queries/links.ts";
import { listUsers } from "../store/queries/users.ts";
import type { Query, Sql, Store } from "../store/store.ts";
import type { LogKey } from "../tlog/log-key.ts";
import { isSameHash } from "../tlog/merkle.ts";
import { Erasures } from "./erasures.ts";
import { contradictionsOf, openEvent, stateOf } from "./event.ts";
import type { Finding, Report } from "./finding.ts";
import { applyStep, FoldError, subjectOf } from "./fold.ts";
import { type SavedCheckpoint, verifyLog } from "./verify-log.ts";

export interface VerifyReport {
  readonly isTrue: boolean;
  readonly events: number;
  /** Events of which a disclosure was erased: their leaf still verifies, what they said is gone. */
  readonly erased: number;
  readonly subjects: Readonly<Record<SubjectType, number>>;
  /** The log's signed size, and how many events are still on their way into it. */
  readonly log: { readonly size: number; readonly pending: number };
  readonly findings: number;
}

export interface VerifyOptions {
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress?: (events: number, total: number) => void;
  /** What speaks against the log key itself, where anything does. */
  readonly objection?: string | undefined;
  /** Checkpoints kept outside of the database, each with where it was kept: the log must extend them. */
  readonly saved?: readonly SavedCheckpoint[];
}

export async function verify(
  store: Pick<Store, "snapshot">,
  key: LogKey,
  options: VerifyOptions,
): Promise<VerifyReport> {
  let findings = 0;
  const report = (finding: Finding) => {
    findings += 1;
    options.onFinding(finding);
  };
  if (options.objection !== undefined) report({ subject: "log key", detail: options.objection });
  return store.snapshot(async (sql) => {
    const [count] = await countEverything(sql);
    const tally = new Map<string, number>([
      ["links:active", 0],
      ["links:inactive", 0],
    ]);
    const subjects = { url: 0, user: 0, key: 0 };
    const erasures = new Erasures();
    let [events, logged, pending] = [0, 0, 0];
    for (const type of SUBJECT_TYPES) {
      for await (const { row, history } of pairSubjects(sql, type)) {
        events += history.length;
        options.onProgress?.(events, count?.events ?? 0);
        for (const event of history) {
          add(tally, `events:${type}:${event.op}`);
          erasures.see(event);
          if (event.log_index === null) pending += 1;
          else logged += 1;
        }
        if (row) {
          subjects[type] += 1;
          if (type === "url") add(tally, row.state.is_active === true ? "links:active" : "links:inactive");
        }
        checkSubject(key, type, row, history, report);
      }
    }
    const totals = { events, ...subjects };
    for (const [name, there] of Object.entries(count ?? {})) {
      const walked = totals[name as keyof typeof totals];
      // What a walk by subject and id does not come by has a type or an id that nothing of ours can have.
      if (walked !== there)
        report({ subject: `table of ${name}`, detail: `has ${there - walked} rows that cannot be` });
    }
    erasures.report(report);
    await checkCounters(sql, tally, report);
    const { size } = await verifyLog(sql, key, { saved: options.saved ?? [], logged, report });
    return { isTrue: findings === 0, events, erased: erasures.count, subjects, log: { size, pending }, findings };
  });
}

interface Subject {
  readonly id: number;
  readonly head: Uint8Array;
  readonly state: State;
}

interface Pair {
  readonly row: Subject | undefined;
  readonly history: readonly LoggedEvent[];
}

function checkSubject(
  key: LogKey,
  type: SubjectType,
  row: Subject | undefined,
  history: readonly LoggedEvent[],
  report: Report,
): void {
  const id = row?.id ?? history[0]?.subject_id ?? 0;
  const fail = (detail: string) => {
    const name = row?.state.short_code ?? row?.state.username ?? stateOf(history.at(-1)?.state ?? null)?.short_code;
    report({ subject: `${type}:${id}${typeof name === "string" ? ` (${name})` : ""}`, detail });
  };

  let previousHash: Uint8Array | null = null;
  let state: State | null = null;
  let version = 0;
  let isFoldable = true;
  let logIndex = -1;
  for (const event of history) {
    if (event.version !== version + 1) fail(`version ${version + 1} is missing from its history`);
    version = event.version;
    for (const detail of checkPlace(event, logIndex)) fail(`version ${version}: ${detail}`);
    logIndex = event.log_index ?? Number.POSITIVE_INFINITY;
    const opened = openEvent(event);
    for (const detail of contradictionsOf(key, opened, previousHash)) fail(`version ${version}: ${detail}`);
    previousHash = event.leaf_hash;
    const claimed = opened.state;
    if (claimed === null) {
      // An erased state says nothing; the next one is taken as it stands, since its digest is in the log.
      isFoldable = false;
      continue;
    }
    const step = { subjectType: type, subjectId: id, version, op: event.op, atMs: event.at_ms, state: claimed };
    try {
      state = isFoldable ? applyStep(state, step) : subjectOf(claimed);
    } catch (error) {
      if (!(error instanceof FoldError)) throw error;
      fail(error.message);
      state = subjectOf(claimed);
    }
    isFoldable = true;
  }
  if (!row) {
    fail("has a history, but its row is gone");
    return;
  }
  if (previousHash === null || Buffer.compare(previousHash, row.head) !== 0)
    fail(
      history.length === 0
        ? "has no history"
        : "its head is not the hash of its newest event: one was removed or added",
    );
  if (!isFoldable) fail("its newest state is erased, so its row cannot be checked");
  else if (state) {
    for (const field in state) {
      if (state[field] !== row.state[field]) fail(`${field} is not what its history says`);
    }
    for (const field in row.state) if (!(field in state)) fail(`${field} is not what its history says`);
  }
}

/** Subject rows and their histories side by side, by id: either may be missing where the other is there. */
async function* pairSubjects(sql: Sql, type: SubjectType): AsyncGenerator<Pair> {
  const rows = subjectsOf(sql, type);
  let row = (await rows.next()).value;
  for await (const history of historiesOf(sql, type)) {
    const id = history[0]?.subject_id ?? 0;
    while (row && row.id < id) {
      yield { row, history: [] };
      row = (await rows.next()).value;
    }
    if (row?.id === id) {
      yield { row, history };
      row = (await rows.next()).value;
    } else {
      yield { row: undefined, history };
    }
  }
  for (; row; row = (await rows.next()).value) yield { row, history: [] };
}

async function* subjectsOf(sql: Sql, type: SubjectType): AsyncGenerator<Subject, undefined> {
  const limit = LIMITS.verifyBatchRows;
  const read: Record<SubjectType, (after: number) => Promise<Subject[]>> = {
    url: async (after) => (await listAllLinks(sql, after, limit)).map((row) => asSubject(row, linkFromRow(row))),
    user: async (afterId) =>
      (await listUsers(sql, { afterId, limit, offset: 0 })).map((row) => asSubject(row, userFromRow(row))),
    key: async (after) => (await listAllKeys(sql, after, limit)).map((row) => asSubject(row, keyStateFromRow(row))),
  };
  let after = 0;
  for (;;) {
    const batch = await read[type](after);
    yield* batch;
    if (batch.length < limit) return undefined;
    after = batch.at(-1)?.id ?? after;
  }
}

/** With `is_active` as it is stored where it is neither 0 nor 1: that, too, is not what any history says. */
function asSubject(row: { id: number; head: Uint8Array; is_active?: number }, state: State): Subject {
  const isOdd = row.is_active !== undefined && row.is_active !== 0 && row.is_active !== 1;
  return { id: row.id, head: row.head, state: isOdd ? { ...state, is_active: row.is_active } : state };
}

async function* historiesOf(sql: Sql, type: SubjectType): AsyncGenerator<LoggedEvent[]> {
  let history: LoggedEvent[] = [];
  for await (const event of inBatches((after) => listChains(sql, type, after, LIMITS.verifyBatchRows))) {
    if (history[0] && history[0].subject_id !== event.subject_id) {
      yield history;
      history = [];
    }
    history.push(event);
  }
  if (history.length > 0) yield history;
}

async function* inBatches(
  read: (after: { subjectId: number; version: number }) => Query<LoggedEvent>,
): AsyncGenerator<LoggedEvent> {
  let after = { subjectId: 0, version: 0 };
  for (;;) {
    const batch = await read(after);
    yield* batch;
    const last = batch.at(-1);
    if (!last || batch.length < LIMITS.verifyBatchRows) return;
    after = { subjectId: last.subject_id, version: last.version };
  }
}

/** What is false about where an event stands: in the log after its predecessor, or in the queue, and nowhere twice. */
function checkPlace(event: LoggedEvent, previousIndex: number): string[] {
  const { log_index, log_hash, queue_id, quarantine_reason } = event;
  const found: string[] = [];
  if (quarantine_reason !== null) found.push(`is in quarantine: ${quarantine_reason}`);
  if (log_index === null) {
    if (queue_id === null && quarantine_reason === null) found.push("is in neither queue nor log");
    return found;
  }
  if (queue_id !== null) found.push("is in the log and still waits for it");
  if (log_hash === null || !isSameHash(log_hash, event.leaf_hash))
    found.push(`entry ${log_index} of the log is another`);
  if (log_index < previousIndex) found.push(`stands at ${log_index} in the log, before its predecessor`);
  return found;
}

async function checkCounters(sql: Sql, tally: Map<string, number>, report: Report): Promise<void> {
  const stored = new Map((await readCounters(sql)).map(({ name, value }) => [name, value]));
  for (const name of new Set([...tally.keys(), ...stored.keys()])) {
    // Clicks are traffic: nothing in the audit log could bear them out.
    if (name === "clicks") continue;
    const [want, have] = [tally.get(name) ?? 0, stored.get(name) ?? 0];
    if (want !== have) report({ subject: `counter ${name}`, detail: `says ${have}, but there are ${want}` });
  }
}

function add(tally: Map<string, number>, name: string): void {
  tally.set(name, (tally.get(name) ?? 0) + 1);
}
