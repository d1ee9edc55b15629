// Checks everything the store claims against everything it has written down, in one snapshot, without trusting either.
// Reads only. Streams in batches of LIMITS.verifyBatchRows, so memory does not grow with the log.

import { LIMITS } from "../limits.ts";
import { type EventRow, type State, SUBJECT_TYPES, type SubjectType } from "../model/event.ts";
import { keyStateFromRow } from "../model/key.ts";
import { linkFromRow } from "../model/url.ts";
import { userFromRow } from "../model/user.ts";
import {
  countEverything,
  listChains,
  listOrphansInQueue,
  listUnqueued,
  readCounters,
} from "../store/queries/events.ts";
import { listAllKeys } from "../store/queries/keys.ts";
import { listAllLinks } from "../store/queries/urls.ts";
import { listUsers } from "../store/queries/users.ts";
import type { Query, Sql, Store } from "../store/store.ts";
import { contradictionsOf, stateOf } from "./event.ts";
import { applyStep, FoldError } from "./fold.ts";
import type { LogKey } from "./log-key.ts";

/** Something false: what it is about (`url:42 (abc123)`) and what is wrong with it. */
export interface Finding {
  readonly subject: string;
  readonly detail: string;
}

export interface VerifyReport {
  readonly isTrue: boolean;
  readonly events: number;
  /** Events of which a disclosure was erased: their leaf still verifies, what they said is gone. */
  readonly erased: number;
  readonly subjects: Readonly<Record<SubjectType, number>>;
  readonly findings: number;
}

export interface VerifyOptions {
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress?: (events: number, total: number) => void;
}

export async function verify(store: Store, key: LogKey, options: VerifyOptions): Promise<VerifyReport> {
  let findings = 0;
  const report = (finding: Finding) => {
    findings += 1;
    options.onFinding(finding);
  };
  return store.snapshot(async (sql) => {
    const [count] = await countEverything(sql);
    const tally = new Map<string, number>([
      ["links:active", 0],
      ["links:inactive", 0],
    ]);
    const subjects = { url: 0, user: 0, key: 0 };
    let events = 0;
    let erased = 0;
    for (const type of SUBJECT_TYPES) {
      for await (const { row, history } of pairSubjects(sql, type)) {
        events += history.length;
        options.onProgress?.(events, count?.events ?? 0);
        for (const event of history) {
          add(tally, `events:${type}:${event.op}`);
          if (event.actor === null || event.state === null) erased += 1;
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
    await checkQueue(sql, report);
    await checkCounters(sql, tally, report);
    return { isTrue: findings === 0, events, erased, subjects, findings };
  });
}

interface Subject {
  readonly id: number;
  readonly head: Uint8Array;
  readonly state: State;
}

interface Pair {
  readonly row: Subject | undefined;
  readonly history: readonly EventRow[];
}

function checkSubject(
  key: LogKey,
  type: SubjectType,
  row: Subject | undefined,
  history: readonly EventRow[],
  report: (finding: Finding) => void,
): void {
  const id = row?.id ?? history[0]?.subject_id ?? 0;
  const name = row?.state.short_code ?? row?.state.username ?? stateOf(history.at(-1)?.state ?? null)?.short_code;
  const subject = `${type}:${id}${typeof name === "string" ? ` (${name})` : ""}`;
  const fail = (detail: string) => report({ subject, detail });

  let previousHash: Uint8Array | null = null;
  let state: State | null = null;
  let version = 0;
  let isFoldable = true;
  for (const event of history) {
    if (event.version !== version + 1) fail(`version ${version + 1} is missing from its history`);
    version = event.version;
    for (const detail of contradictionsOf(key, event, previousHash)) fail(`version ${version}: ${detail}`);
    previousHash = event.leaf_hash;
    const claimed = stateOf(event.state);
    if (claimed === null) {
      // An erased state says nothing; the next one is taken as it stands, since its digest is in the log.
      isFoldable = false;
      continue;
    }
    const step = { subjectType: type, subjectId: id, version, op: event.op, atMs: event.at_ms, state: claimed };
    try {
      state = isFoldable ? applyStep(state, step) : claimed;
    } catch (error) {
      if (!(error instanceof FoldError)) throw error;
      fail(error.message);
      state = claimed;
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
    const { legacy_history: _, ...expected } = state;
    for (const field of new Set([...Object.keys(expected), ...Object.keys(row.state)])) {
      if (expected[field] !== row.state[field]) fail(`${field} is not what its history says`);
    }
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

async function* historiesOf(sql: Sql, type: SubjectType): AsyncGenerator<EventRow[]> {
  let history: EventRow[] = [];
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
  read: (after: { subjectId: number; version: number }) => Query<EventRow>,
): AsyncGenerator<EventRow> {
  let after = { subjectId: 0, version: 0 };
  for (;;) {
    const batch = await read(after);
    yield* batch;
    const last = batch.at(-1);
    if (!last || batch.length < LIMITS.verifyBatchRows) return;
    after = { subjectId: last.subject_id, version: last.version };
  }
}

async function checkQueue(sql: Sql, report: (finding: Finding) => void): Promise<void> {
  for (const event of await listUnqueued(sql, LIMITS.verifyBatchRows))
    report({
      subject: `${event.subject_type}:${event.subject_id}`,
      detail: `version ${event.version} waits in no queue for the log`,
    });
  for (const { event_id } of await listOrphansInQueue(sql, LIMITS.verifyBatchRows))
    report({ subject: `event:${event_id}`, detail: "is queued for the log, but is gone" });
}

async function checkCounters(sql: Sql, tally: Map<string, number>, report: (finding: Finding) => void): Promise<void> {
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
