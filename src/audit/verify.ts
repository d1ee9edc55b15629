// Checks everything the store claims against everything it has written down, in one snapshot, without trusting either.
// Reads only. Streams in batches of LIMITS.verifyBatchRows, so memory does not grow with the log.

import { LIMITS } from "../limits.ts";
import { type EventRow, type State, SUBJECT_TYPES, type SubjectType } from "../model/event.ts";
import { keyStateFromRow } from "../model/key.ts";
import { linkFromRow } from "../model/url.ts";
import { userFromRow } from "../model/user.ts";
import { countEvents, listChains, listOrphansInQueue, listUnqueued, readCounters } from "../store/queries/events.ts";
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
    const [count] = await countEvents(sql);
    const tally = new Map<string, number>([
      ["links:active", 0],
      ["links:inactive", 0],
    ]);
    const subjects = { url: 0, user: 0, key: 0 };
    let events = 0;
    for (const type of SUBJECT_TYPES) {
      for await (const { row, history } of pairSubjects(sql, type)) {
        events += history.length;
        options.onProgress?.(events, count?.n ?? 0);
        for (const event of history) add(tally, `events:${type}:${event.op}`);
        if (row) {
          subjects[type] += 1;
          if (type === "url") add(tally, row.state.is_active === true ? "links:active" : "links:inactive");
        }
        checkSubject(key, type, row, history, report);
      }
    }
    await checkQueue(sql, report);
    await checkCounters(sql, tally, report);
    return { isTrue: findings === 0, events, subjects, findings };
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
    if (claimed === null || !isFoldable) {
      isFoldable = false;
      continue;
    }
    try {
      state = applyStep(state, {
        subjectType: type,
        subjectId: id,
        version,
        op: event.op,
        atMs: event.at_ms,
        state: claimed,
      });
    } catch (error) {
      if (!(error instanceof FoldError)) throw error;
      fail(error.message);
      isFoldable = false;
    }
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
  if (isFoldable && state) {
    for (const field of new Set([...Object.keys(state), ...Object.keys(row.state)])) {
      if (state[field] !== row.state[field]) fail(`${field} is not what its history says`);
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
    url: async (after) =>
      (await listAllLinks(sql, after, limit)).map((row) => ({ id: row.id, head: row.head, state: linkFromRow(row) })),
    user: async (afterId) =>
      (await listUsers(sql, { afterId, limit, offset: 0 })).map((row) => ({
        id: row.id,
        head: row.head,
        state: userFromRow(row),
      })),
    key: async (after) =>
      (await listAllKeys(sql, after, limit)).map((row) => ({
        id: row.id,
        head: row.head,
        state: keyStateFromRow(row),
      })),
  };
  // Below every id there can be, so that a row smuggled in with a negative one is seen too.
  let after = Number.MIN_SAFE_INTEGER;
  for (;;) {
    const batch = await read[type](after);
    yield* batch;
    if (batch.length < limit) return undefined;
    after = batch.at(-1)?.id ?? after;
  }
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
  let after = { subjectId: Number.MIN_SAFE_INTEGER, version: 0 };
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
