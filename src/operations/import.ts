// Brings subjects in that another program had, all or none, each with an event of its own that says so. A second run changes nothing.

import { stateOf } from "../audit/event.ts";
import { badRequest, conflict } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Caller } from "../model/caller.ts";
import { type Command, ruleOf } from "../model/command.ts";
import { isSameValue, type State } from "../model/field.ts";
import type { Subject } from "../model/subject.ts";
import { USER } from "../model/user.ts";
import { listFirstEvents } from "../store/queries/events.ts";
import { findSubjects, listTaken } from "../store/queries/subjects.ts";
import type { Tx } from "../store/store.ts";
import { transact } from "./apply.ts";
import type { Core, Work } from "./context.ts";

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
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Lists of entries, each of one kind, in their order; counts in the same. Throws conflict for one whose id or unique value belongs
 * to something that these entries did not bring in, bad_request for one whose owner is not there. What an earlier run brought in
 * is left alone, whatever has become of it since.
 */
export function importAll(
  core: Core,
  caller: Caller,
  lists: readonly (readonly Entry[])[],
  { isDryRun, onProgress }: ImportOptions,
): Promise<readonly ImportCounts[]> {
  const total = lists.reduce((sum, { length }) => sum + length, 0);
  const run = async (work: Work) => {
    // First, so that no other transaction draws an id that is about to be imported.
    for (const list of lists) await reserveIds(work.tx, list);
    let done = 0;
    const counts: ImportCounts[] = [];
    for (const list of lists) {
      let imported = 0;
      for (let at = 0; at < list.length; at += LIMITS.applyRows) {
        const part = list.slice(at, at + LIMITS.applyRows);
        imported += await importPart(work, part);
        done += part.length;
        onProgress?.(done, total);
      }
      counts.push({ imported, unchanged: list.length - imported });
    }
    return counts;
  };
  return transact(core, caller, run, { deadlineMs: LIMITS.importMs, isDryRun });
}

async function reserveIds(tx: Tx, list: readonly Entry[]): Promise<void> {
  const [first] = list;
  if (!first) return;
  const largest = list.reduce((id, { command }) => Math.max(id, command.id), 0);
  await tx.reserveIds(ruleOf(first.command).subject, largest);
}

/** How many of the entries were new. */
async function importPart({ tx, apply }: Work, part: readonly Entry[]): Promise<number> {
  const [first] = part;
  if (!first) return 0;
  const { subject } = ruleOf(first.command);
  const missing = await leaveOutKnown(tx, subject, part);
  await refuseTaken(tx, subject, missing);
  await refuseOrphans(tx, missing);
  await apply(missing.map(({ command }) => command));
  return missing.length;
}

async function leaveOutKnown(tx: Tx, { type }: Subject, part: readonly Entry[]): Promise<readonly Entry[]> {
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
async function refuseTaken(tx: Tx, subject: Subject, entries: readonly Entry[]): Promise<void> {
  for (const unique of Object.values(subject.uniques)) {
    const textOf = ({ command }: Entry) => String((command as Readonly<Record<string, unknown>>)[unique.column]);
    if (entries.length === 0) return;
    const taken = new Set((await listTaken(tx, subject, unique, entries.map(textOf))).map(({ value }) => value));
    const found = entries.find((entry) => taken.has(unique.isFolded ? textOf(entry).toLowerCase() : textOf(entry)));
    if (found) throw conflict(`${found.place}: its ${unique.column} is taken`, EMPTY_STORE);
  }
}

async function refuseOrphans(tx: Tx, entries: readonly Entry[]): Promise<void> {
  const ownerOf = ({ command }: Entry) => ("user_id" in command ? command.user_id : undefined);
  const wanted = [...new Set(entries.map(ownerOf))].filter((id) => id !== undefined);
  if (wanted.length === 0) return;
  const owners = new Set((await findSubjects(tx, USER, wanted)).map(({ id }) => id));
  for (const entry of entries) {
    const owner = ownerOf(entry);
    if (owner !== undefined && !owners.has(owner)) throw badRequest(`${entry.place}: there is no user ${owner}`);
  }
}
