// All that decided changes write, whichever kinds of subjects they are of: events, their places in the queue, rows, side tables.

import type { EventRow } from "../../model/event.ts";
import type { SideRow, SideTable, Stored, Subject, SubjectRow } from "../../model/subject.ts";
import type { Query, SubjectIds, Tx } from "../store.ts";
import { insertEvents, queueEvents } from "./events.ts";
import { readStanding, type Standing } from "./keys.ts";
import { deleteSideRows, insertSideRows } from "./side-tables.ts";
import { insertSubjects, updateSubject } from "./subjects.ts";

export interface Written {
  readonly events: readonly Omit<EventRow, "id">[];
  /** Of the release that writes. */
  readonly generation: number;
  /** New rows by kind. */
  readonly made: ReadonlyMap<Subject, readonly Stored<SubjectRow>[]>;
  /** In the order of their versions. */
  readonly changed: readonly { readonly subject: Subject; readonly row: Stored<SubjectRow> }[];
  readonly sides: readonly SideChange[];
}

export interface SideChange {
  readonly side: SideTable;
  /** Subjects whose rows are replaced. */
  readonly gone: readonly number[];
  readonly rows: readonly SideRow[];
}

/** How many statements are sent as one at the most: a plan for more costs more than the way there and back. */
const AT_ONCE = 6;

/** Sent in one go, and where the engine can as one statement. Events first, since rows refer to them. */
export async function writeChanges(tx: Tx, written: Written, unasked?: Unasked): Promise<Standing | undefined> {
  const { events, generation, made, changed, sides } = written;
  const rows = [...made].map(([subject, each]) => insertSubjects(tx, subject, each));
  const updates = changed.map(({ subject, row }) => updateSubject(tx, subject, row));
  const removed = sides.filter(({ gone }) => gone.length > 0).map(({ side, gone }) => deleteSideRows(tx, side, gone));
  const added = sides.filter((each) => each.rows.length > 0).map((each) => insertSideRows(tx, each.side, each.rows));
  const parts = [...rows, ...updates, ...removed, ...added];
  // The parts of one statement do not see what the others do, and none may touch a row twice.
  const isOne = tx.takesWritesInOne && parts.length <= AT_ONCE && removed.length === 0 && isEachOnce(events);
  if (isOne) return (await writeInOne(tx, events, generation, { parts, unasked }))[0];
  await Promise.all([insertEvents(tx, events), queueEvents(tx, events, generation), ...parts]);
  return unasked && (await readStanding(tx, unasked.keyId, unasked.wanted))[0];
}

/** A key that is asked about with the write, and the kind of which another id is drawn. */
export interface Unasked {
  readonly keyId: number | null;
  readonly wanted: SubjectIds;
}

/** PostgreSQL's data-modifying WITH (manual, section 7.8.4). What triggers look for is there once the whole statement has run. */
export function writeInOne(
  tx: Tx,
  events: Written["events"],
  generation: number,
  { parts, unasked }: { readonly parts: readonly Query<unknown>[]; readonly unasked?: Unasked | undefined },
): Query<Standing> {
  const named = parts.map((part, at) => tx`, ${tx.names(`part_${"abcdef".charAt(at)}`)} as (${part})`);
  return tx`
    with written as (${insertEvents(tx, events)} returning id) ${named.length > 0 ? named : tx``}
    ${unasked ? tx`, queued as (${queue(tx, generation)}) ${readStanding(tx, unasked.keyId, unasked.wanted)}` : queue(tx, generation)}`;
}

function queue(tx: Tx, generation: number): Query<unknown> {
  return tx`insert into log_queue (event_id, generation) select id, cast(${generation} as integer) from written order by id`;
}

function isEachOnce(events: Written["events"]): boolean {
  const [first] = events;
  if (events.length === 1 && first) return true;
  return new Set(events.map(({ subject_type, subject_id }) => `${subject_type}:${subject_id}`)).size === events.length;
}
