// Side tables: kept right with each change of their subjects, and filled in batches where a subject was there before its table.

import { unavailable } from "../errors.ts";
import { isSameValue } from "../model/field.ts";
import type { SideTable, Subject, SubjectRow } from "../model/subject.ts";
import { SUBJECTS } from "../model/subjects.ts";
import type { SideChange } from "../store/queries/changes.ts";
import { isComplete } from "../store/queries/side-tables.ts";
import type { Sql } from "../store/store.ts";

interface Changed {
  readonly subject: Subject;
  readonly before: SubjectRow | undefined;
  readonly after: SubjectRow;
}

/** All side tables there are, each with the subjects whose rows it follows from. */
export const SIDE_TABLES: readonly { readonly subject: Subject; readonly side: SideTable }[] = SUBJECTS.flatMap(
  (subject) => subject.sides.map((side) => ({ subject, side })),
);

/** What changes of subjects move in the side tables. */
export function sideChangesOf(changes: readonly Changed[]): readonly SideChange[] {
  return SIDE_TABLES.flatMap(({ subject, side }) => {
    const moved = newest(changes.filter((change) => change.subject === subject && isMoved(side, change)));
    if (moved.length === 0) return [];
    const gone = moved.filter(({ before }) => before !== undefined).map(({ after }) => after.id);
    return [{ side, gone, rows: moved.flatMap(({ after }) => side.rowsOf(after)) }];
  });
}

function isMoved(side: SideTable, { before, after }: Changed): boolean {
  return before === undefined || !isSameValue(side.rowsOf(before), side.rowsOf(after));
}

/** Of several changes of one subject the first row there was, and the last that was made of it. */
function newest(changes: readonly Changed[]): readonly Changed[] {
  const byId = new Map<number, Changed>();
  for (const change of changes) {
    const earlier = byId.get(change.after.id);
    byId.set(change.after.id, earlier ? { ...change, before: earlier.before } : change);
  }
  return [...byId.values()];
}

/** Throws unavailable where a table that follows from links does not have the rows of all of them yet. */
export async function assertComplete<Row extends SubjectRow>(sql: Sql, side: SideTable<Row>): Promise<void> {
  if (await isComplete(sql, side)) return;
  const hint =
    "after an upgrade: run deadletter migrate --finalize; a server then fills it by itself, or deadletter reindex does";
  throw unavailable(`${side.table} does not have every link yet`, { hint });
}
