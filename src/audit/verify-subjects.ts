// Checks each subject against its history: the chain of its events, what they lead to, its row, and the rows that follow from it.

import { LIMITS } from "../limits.ts";
import { isSameValue, type State } from "../model/field.ts";
import {
  differingFields,
  type SideRow,
  type SideTable,
  type Stored,
  type Subject,
  type SubjectRow,
  stateAsStored,
  withoutBeside,
} from "../model/subject.ts";
import { type LoggedEvent, listChains } from "../store/queries/events.ts";
import { countSideRows, isComplete, listSideRows, readSideTables } from "../store/queries/side-tables.ts";
import { listSubjects } from "../store/queries/subjects.ts";
import type { Query, Sql } from "../store/store.ts";
import { isSameHash } from "../tlog/merkle.ts";
import { contradictionsOf, openEvent, stateOf } from "./event.ts";
import type { Report } from "./finding.ts";
import { applyStep, FoldError } from "./fold.ts";
import type { LogKey } from "./log-key.ts";

type Row = Stored<SubjectRow>;

export interface Pair {
  readonly row: Row | undefined;
  readonly history: readonly LoggedEvent[];
}

/** Subject rows and their histories side by side, by id: either may be missing where the other is there. */
export async function* pairSubjects(sql: Sql, subject: Subject, report: Report): AsyncGenerator<Pair> {
  const rows = rowsOf(sql, subject, report);
  let row = (await rows.next()).value;
  for await (const history of historiesOf(sql, subject.type)) {
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

/** Every row, and on the way whether what follows from it is there. */
async function* rowsOf(sql: Sql, subject: Subject, report: Report): AsyncGenerator<Row, undefined> {
  const limit = LIMITS.verifyBatchRows;
  const sides: { readonly side: SideTable; rows: number }[] = [];
  const lines = new Set((await readSideTables(sql)).map(({ name }) => name));
  for (const side of subject.sides) {
    if (await isComplete(sql, side)) sides.push({ side, rows: 0 });
    else if (!lines.has(side.table))
      report({ subject: "side_tables", detail: `has no line of ${side.table}: ${REINDEX}` });
  }
  for (let after = 0; ; ) {
    const batch = await listSubjects(sql, subject, after, limit);
    for (const each of sides) each.rows += await checkSideRows(sql, subject, each.side, { batch, report });
    yield* batch;
    if (batch.length < limit) break;
    after = batch.at(-1)?.id ?? after;
  }
  for (const { side, rows } of sides) {
    const there = (await countSideRows(sql, side))[0]?.count ?? 0;
    if (there !== rows)
      report({ subject: `table of ${side.table}`, detail: `has ${there - rows} rows that cannot be: ${REINDEX}` });
  }
  return undefined;
}

const REINDEX = "deadletter reindex makes it anew";

/** How many of a side table's rows belong to these subjects. */
async function checkSideRows(
  sql: Sql,
  subject: Subject,
  side: SideTable,
  { batch, report }: { readonly batch: readonly Row[]; readonly report: Report },
): Promise<number> {
  if (batch.length === 0) return 0;
  const ids = batch.map(({ id }) => id);
  const stored = await listSideRows(sql, side, ids);
  const byId = Map.groupBy(stored, (row) => Number(row[side.key]));
  for (const row of batch) {
    if (!isSameValue(sorted(byId.get(row.id) ?? []), sorted(side.rowsOf(row))))
      report({ subject: `${subject.type}:${row.id}`, detail: `${side.table} does not follow from it: ${REINDEX}` });
  }
  return stored.length;
}

function sorted(rows: readonly SideRow[]): readonly string[] {
  return rows.map((row) => JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))).sort();
}

async function* historiesOf(sql: Sql, type: string): AsyncGenerator<LoggedEvent[]> {
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

export function checkSubject(key: LogKey, subject: Subject, { row, history }: Pair, report: Report): void {
  const stored = row && stateAsStored(subject, row);
  const name = subject.nameOf(stored ?? stateOf(history.at(-1)?.state ?? null) ?? {});
  const id = row?.id ?? history[0]?.subject_id ?? 0;
  const fail = (detail: string) =>
    report({ subject: `${subject.type}:${id}${name === undefined ? "" : ` (${name})`}`, detail });
  const { state, hash } = walk(key, subject, history, fail);
  if (!row || !stored) {
    fail("has a history, but its row is gone");
    return;
  }
  if (hash === null || Buffer.compare(hash, row.head) !== 0)
    fail(
      history.length === 0
        ? "has no history"
        : "its head is not the hash of its newest event: one was removed or added",
    );
  if (state === "erased") fail("its newest state is erased, so its row cannot be checked");
  else if (state)
    for (const field of differingFields(subject, state, stored)) fail(`${field} is not what its history says`);
}

/** What a history leads to, null where there is none; and the hash of its newest event. */
function walk(key: LogKey, subject: Subject, history: readonly LoggedEvent[], fail: (detail: string) => void) {
  let hash: Uint8Array | null = null;
  let state: State | null | "erased" = null;
  let version = 0;
  let logIndex = -1;
  for (const event of history) {
    if (event.version !== version + 1) fail(`version ${version + 1} is missing from its history`);
    version = event.version;
    for (const detail of checkPlace(event, logIndex)) fail(`version ${version}: ${detail}`);
    logIndex = event.log_index ?? Number.POSITIVE_INFINITY;
    const opened = openEvent(event);
    for (const detail of contradictionsOf(key, opened, hash)) fail(`version ${version}: ${detail}`);
    hash = event.leaf_hash;
    // An erased state says nothing; the next one is taken as it stands, since its digest is in the log.
    state = opened.state === null ? "erased" : next(subject, state, { ...stepOf(event), state: opened.state }, fail);
  }
  return { state, hash };
}

function next(
  subject: Subject,
  before: State | null | "erased",
  step: Parameters<typeof applyStep>[2],
  fail: (detail: string) => void,
): State {
  if (before === "erased") return withoutBeside(subject, step.state);
  try {
    return applyStep(subject, before, step);
  } catch (error) {
    if (!(error instanceof FoldError)) throw error;
    fail(error.message);
    return withoutBeside(subject, step.state);
  }
}

function stepOf({ subject_id, version, op, at_ms }: LoggedEvent) {
  return { subjectId: subject_id, version, op, atMs: at_ms };
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
