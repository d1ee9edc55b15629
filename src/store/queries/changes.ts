// All that decided changes write, whichever kinds of subjects they are of: events, their places in the queue, rows, side tables.

import type { EventRow } from "../../model/event.ts";
import type { SideRow, SideTable, Stored, Subject, SubjectRow } from "../../model/subject.ts";
import type { Query, Tx } from "../store.ts";
import { insertEvents, queueEvents } from "./events.ts";
import { readStandings, type Standing } from "./keys.ts";
import { deleteSideRows, insertSideRows } from "./side-tables.ts";
import { insertSubjects, updateSubjects } from "./subjects.ts";

export interface Written {
  readonly events: readonly Omit<EventRow, "id">[];
  /** Of the release that writes, as the queue wants it; undefined where the events are put into the log at once. */
  readonly generation: number | undefined;
  /** New rows by kind. */
  readonly made: readonly SubjectRows[];
  /** Rows by kind, in the order of their versions: where one is changed twice, the second time stands in a later element. */
  readonly changed: readonly ChangedRows[];
  readonly sides: readonly SideChange[];
}

export interface SubjectRows {
  readonly subject: Subject;
  readonly rows: readonly Stored<SubjectRow>[];
}

export interface ChangedRows extends SubjectRows {
  /** Columns in which some of the rows differ from what they were. */
  readonly moved: ReadonlySet<string>;
}

export interface SideChange {
  readonly side: SideTable;
  /** Subjects whose rows are replaced. */
  readonly gone: readonly number[];
  readonly rows: readonly SideRow[];
}

/**
 * Builds the statements and returns a function that sends them together, as a single statement if the engine can. Events come first,
 * since rows refer to them. With `keyIds`, the function resolves to the standing of those keys.
 */
export function makeWrites(
  tx: Tx,
  written: Written,
  keyIds?: readonly number[],
): () => Promise<readonly Standing[] | undefined> {
  const { events, generation, made, changed, sides } = written;
  const subjects = [
    ...made.map(({ subject, rows }) => insertSubjects(tx, subject, rows)),
    ...changed.map(({ subject, rows, moved }) => updateSubjects(tx, subject, rows, moved)),
  ];
  const removed = sides.filter(({ gone }) => gone.length > 0).map(({ side, gone }) => deleteSideRows(tx, side, gone));
  const added = sides.filter((each) => each.rows.length > 0).map((each) => insertSideRows(tx, each.side, each.rows));
  // The parts of one statement do not see what the others do, and none may touch a row twice.
  if (generation !== undefined && tx.takesWritesInOne && isEachOnce(events)) {
    const [parts, later] = removed.length === 0 ? [[...subjects, ...added], []] : [subjects, [...removed, ...added]];
    const one = writeInOne(tx, events, generation, { parts, keyIds });
    return async () => {
      const [standings] = await Promise.all([one, ...later]);
      return keyIds && standings;
    };
  }
  const queued = generation === undefined ? [] : [queueEvents(tx, events, generation)];
  const all = [insertEvents(tx, events), ...queued, ...subjects, ...removed, ...added];
  return async () => {
    await Promise.all(all);
    return keyIds && (await readStandings(tx, keyIds));
  };
}

/** PostgreSQL's data-modifying WITH (manual, section 7.8.4). What triggers look for is there once the whole statement has run. */
export function writeInOne(
  tx: Tx,
  events: Written["events"],
  generation: number,
  { parts, keyIds }: { readonly parts: readonly Query<unknown>[]; readonly keyIds?: readonly number[] | undefined },
): Query<Standing> {
  const named = parts.map((part, at) => tx`, ${tx.names(`part_${"abcdefgh".charAt(at)}`)} as (${part})`);
  return tx`
    with written as (${insertEvents(tx, events)} returning id) ${named.length > 0 ? named : tx``}
    ${keyIds ? tx`, queued as (${queue(tx, generation)}) ${readStandings(tx, keyIds)}` : queue(tx, generation)}`;
}

function queue(tx: Tx, generation: number): Query<unknown> {
  return tx`insert into log_queue (event_id, generation) select id, cast(${generation} as integer) from written order by id`;
}

function isEachOnce(events: Written["events"]): boolean {
  const [first] = events;
  if (events.length === 1 && first) return true;
  return new Set(events.map(({ subject_type, subject_id }) => `${subject_type}:${subject_id}`)).size === events.length;
}
