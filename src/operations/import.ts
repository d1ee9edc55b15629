// Brings subjects in that another program had, each with an event of its own that says so. All of them are held against the store
// before any is written; then they are, a batch a transaction. A second run changes nothing, so an interrupted one is run again.

import { stateOf } from "../audit/event.ts";
import { badRequest, conflict } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import type { Command } from "../model/command.ts";
import { isSameValue, type State } from "../model/field.ts";
import { foldedBy, type Subject } from "../model/subject.ts";
import { USER } from "../model/user.ts";
import { listFirstEvents } from "../store/queries/events.ts";
import { findSubjects, listTaken } from "../store/queries/subjects.ts";
import type { Sql } from "../store/store.ts";
import { transact } from "./apply.ts";
import type { Core, Work } from "./context.ts";
import { keepPace } from "./pace.ts";

type ImportCommand = Extract<Command, { readonly type: `${string}.import` }>;

/** A subject as an importer read it. */
export interface Entry {
  /** Where it stood, for whoever has to mend it: `urls line 3: link 9 (x5QfF6)`. */
  readonly place: string;
  readonly command: ImportCommand;
}

export interface ImportCounts {
  readonly imported: number;
  readonly unchanged: number;
}

export interface ImportOptions {
  readonly isDryRun: boolean;
  readonly onProgress?: (step: "checked" | "imported", done: number, total: number) => void;
}

/** Entries of one kind, read anew at each call, at most LIMITS.importBatchRows at once; those with the largest ids first. */
export interface EntryList {
  readonly subject: Subject;
  readonly count: number;
  readonly largestId: number;
  readonly batches: () => Iterable<readonly Entry[]>;
  /** Whether a user comes with the same data. */
  readonly isComing?: (userId: number) => boolean;
}

/**
 * Lists in their order; counts in the same. Throws conflict for an entry whose id or unique value belongs to something that these
 * entries did not bring in, bad_request for one whose owner is not there; then nothing was written, unless that came about while
 * it was. What an earlier run brought in is left alone, whatever has become of it since.
 */
export async function importAll(
  core: Core,
  caller: Caller,
  lists: readonly EntryList[],
  { isDryRun, onProgress }: ImportOptions,
): Promise<readonly ImportCounts[]> {
  const total = lists.reduce((sum, { count }) => sum + count, 0);
  let done = 0;
  const walk = async (
    step: "checked" | "imported",
    each: (part: readonly Entry[], list: EntryList) => Promise<number>,
  ) => {
    const counts: ImportCounts[] = [];
    done = 0;
    for (const list of lists) {
      let imported = 0;
      for (const part of list.batches()) {
        imported += await each(part, list);
        done += part.length;
        onProgress?.(step, done, total);
      }
      counts.push({ imported, unchanged: list.count - imported });
    }
    return counts;
  };
  const checked = await walk("checked", (part, list) => core.store.read((sql) => checkPart(sql, part, list)));
  if (isDryRun || checked.every(({ imported }) => imported === 0)) return checked;
  // So that nobody draws an id from now on that is about to be imported.
  for (const list of lists) await reserveIds(core, list);
  return walk("imported", async (part, list) => {
    await keepPace(core);
    return transact(core, caller, (work) => importPart(work, part, list), { deadlineMs: LIMITS.importMs });
  });
}

async function reserveIds({ store }: Core, { subject, count, largestId }: EntryList): Promise<void> {
  if (count > 0) await store.begin((tx) => tx.reserveIds(subject, largestId));
}

/** How many of the entries would be new. */
async function checkPart(sql: Sql, part: readonly Entry[], list: EntryList): Promise<number> {
  return (await findNew(sql, part, list)).length;
}

/** How many of the entries were new. */
async function importPart({ tx, apply }: Work, part: readonly Entry[], { subject }: EntryList): Promise<number> {
  const found = await findNew(tx, part, { subject });
  await apply(found.map(({ command }) => command));
  return found.length;
}

/** Those that an earlier run did not bring in, held against the store. */
async function findNew(
  sql: Sql,
  part: readonly Entry[],
  { subject, isComing }: Pick<EntryList, "subject" | "isComing">,
): Promise<readonly Entry[]> {
  const found = await leaveOutKnown(sql, subject, part);
  await refuseTaken(sql, subject, found);
  await refuseOrphans(sql, found, isComing);
  return found;
}

async function leaveOutKnown(tx: Sql, { type }: Subject, part: readonly Entry[]): Promise<readonly Entry[]> {
  const ids = part.map(({ command }) => command.id);
  const firsts = new Map((await listFirstEvents(tx, type, ids)).map((event) => [event.subject_id, event]));
  return part.filter(({ command, place }) => {
    const first = firsts.get(command.id);
    if (!first) return true;
    // Of an erased one it is known that it was imported, and no more.
    const state = stateOf(first.state);
    if (first.op === "imported" && (state === null || says(state, command))) return false;
    throw conflict(`${place}: the id is in use by something that this data did not bring in`, EMPTY_STORE);
  });
}

const EMPTY_STORE = "import into an empty store";

/** Whether a state is the one that the command brings in. */
function says(state: State, { type: _, ...members }: ImportCommand): boolean {
  return Object.entries(members).every(([name, value]) => isSameValue(state[name], value));
}

/** Constraints decide; but of many rows they do not say which it was. */
async function refuseTaken(tx: Sql, subject: Subject, entries: readonly Entry[]): Promise<void> {
  for (const unique of Object.values(subject.uniques)) {
    const textOf = ({ command }: Entry) =>
      foldedBy(unique, String((command as Readonly<Record<string, unknown>>)[unique.column]));
    if (entries.length === 0) return;
    const taken = new Set((await listTaken(tx, subject, unique, entries.map(textOf))).map(({ value }) => value));
    const found = entries.find((entry) => taken.has(textOf(entry)));
    if (found) throw conflict(`${found.place}: its ${unique.column} is taken`, EMPTY_STORE);
  }
}

async function refuseOrphans(
  tx: Sql,
  entries: readonly Entry[],
  isComing: EntryList["isComing"] = () => false,
): Promise<void> {
  const ownerOf = ({ command }: Entry) => ("user_id" in command ? command.user_id : undefined);
  const wanted = [...new Set(entries.map(ownerOf))].filter((id) => id !== undefined);
  if (wanted.length === 0) return;
  const owners = new Set((await findSubjects(tx, USER, wanted)).map(({ id }) => id));
  for (const entry of entries) {
    const owner = ownerOf(entry);
    if (owner !== undefined && !owners.has(owner) && !isComing(owner))
      throw badRequest(`${entry.place}: there is no user ${owner}`);
  }
}
