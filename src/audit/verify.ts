// Checks everything the store claims against everything it has written down, in one snapshot, without trusting either.
// Reads only. Streams in batches of LIMITS.verifyBatchRows, so memory does not grow with the log.

import { type Subject, stateFromRow } from "../model/subject.ts";
import { SUBJECTS } from "../model/subjects.ts";
import { countEvents, readCounters } from "../store/queries/events.ts";
import { countSubjects } from "../store/queries/subjects.ts";
import type { Sql, Store } from "../store/store.ts";
import type { Statement } from "./checkpoint-memory.ts";
import { Erasures } from "./erasures.ts";
import type { Finding, Report } from "./finding.ts";
import type { LogKey } from "./log-key.ts";
import { type SavedCheckpoint, verifyLog } from "./verify-log.ts";
import { checkSubject, pairSubjects } from "./verify-subjects.ts";

export interface VerifyReport {
  readonly isTrue: boolean;
  readonly events: number;
  /** Events of which a disclosure was erased: their leaf still verifies, what they said is gone. */
  readonly erased: number;
  /** How many there are of each kind, by the name that leaves have for it. */
  readonly subjects: Readonly<Record<string, number>>;
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
  /** Signed statements that the log went back behind some of them. */
  readonly given?: readonly Statement[];
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
    const total = (await countEvents(sql))[0]?.count ?? 0;
    const tally = startTally();
    const subjects: Record<string, number> = {};
    const erasures = new Erasures();
    let [events, logged, pending] = [0, 0, 0];
    for (const subject of SUBJECTS) {
      let rows = 0;
      for await (const pair of pairSubjects(sql, subject, report)) {
        const { row, history } = pair;
        events += history.length;
        options.onProgress?.(events, total);
        for (const event of history) {
          add(tally, `events:${subject.type}:${event.op}`);
          erasures.see(event);
          if (event.log_index === null) pending += 1;
          else logged += 1;
        }
        if (row) {
          rows += 1;
          add(tally, subject.counterOf(stateFromRow(subject, row)));
        }
        checkSubject(key, subject, pair, report);
      }
      subjects[subject.type] = rows;
      reportStrays(subject.type, (await countSubjects(sql, subject))[0]?.count ?? 0, rows, report);
    }
    reportStrays("events", total, events, report);
    erasures.report(report);
    await checkCounters(sql, tally, report);
    const { size } = await verifyLog(sql, key, {
      saved: options.saved ?? [],
      given: options.given ?? [],
      logged,
      report,
    });
    return { isTrue: findings === 0, events, erased: erasures.count, subjects, log: { size, pending }, findings };
  });
}

/** What a walk by subject and id does not come by has a type or an id that nothing of ours can have. */
function reportStrays(table: string, there: number, walked: number, report: Report): void {
  if (there !== walked) report({ subject: `table of ${table}`, detail: `has ${there - walked} rows that cannot be` });
}

/** The database's counters of subjects, each at 0. */
function startTally(): Map<string, number> {
  const namesOf = (subject: Subject) => [{ is_active: true }, { is_active: false }].map(subject.counterOf);
  const names = SUBJECTS.flatMap(namesOf).filter((name) => name !== undefined);
  return new Map(names.map((name) => [name, 0]));
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

function add(tally: Map<string, number>, name: string | undefined): void {
  if (name === undefined) return;
  tally.set(name, (tally.get(name) ?? 0) + 1);
}
