// What commands are decided by: the rows they are about and around them, locked, the worth of the caller's key, what is drawn.

import type { Caller } from "../model/caller.ts";
import { type Command, ruleOf } from "../model/command.ts";
import { isInForce, KEY } from "../model/key.ts";
import {
  type Context,
  type Drawn,
  type Known,
  NOTHING,
  type Stored,
  type Subject,
  type SubjectRow,
} from "../model/subject.ts";
import { SUBJECTS } from "../model/subjects.ts";
import { USER } from "../model/user.ts";
import { lockKeys, readStanding, type Standing } from "../store/queries/keys.ts";
import { findSubjects, lockSubjects } from "../store/queries/subjects.ts";
import type { Tx } from "../store/store.ts";
import type { Core, Work } from "./context.ts";

export interface Prepared {
  readonly worth: KeyWorth;
  /** The kind of what is made, where the write asks about the key, for the first time or again, and draws the next id. */
  readonly unasked?: Subject;
  readonly nowMs: number;
  /** By the place of the command. */
  readonly drawn: readonly Drawn[];
  readonly known: KnownRows;
}

/** What a transaction found out when it first asked: it may end its caller's own key, and goes on all the same. */
export type KeyWorth = Pick<Context, "isKeyLive" | "generation">;

/** Rows of one transaction by kind and id, as the commands before have left them. */
export class KnownRows implements Known {
  readonly #byType = new Map<string, Map<number, Stored<SubjectRow>>>();

  find(type: string, id: number): Stored<SubjectRow> | undefined {
    return this.#byType.get(type)?.get(id);
  }

  all(type: string): Iterable<SubjectRow> {
    return this.#byType.get(type)?.values() ?? [];
  }

  put({ type }: Pick<Subject, "type">, row: Stored<SubjectRow>): void {
    const rows = this.#byType.get(type);
    if (rows) rows.set(row.id, row);
    else this.#byType.set(type, new Map([[row.id, row]]));
  }
}

/**
 * Locks kind by kind, each in the order of ids, so that transactions wait for one another and not in a circle. The key is asked
 * about after that, in the same transaction, and not locked: a revocation that commits at this very moment is as good as later.
 */
export async function prepare(
  { core, caller, tx }: Pick<Work, "core" | "caller" | "tx">,
  commands: readonly Command[],
  before: KeyWorth | undefined,
): Promise<Prepared> {
  const early = before === undefined && tx.takesWritesInOne ? prepareAhead(core, commands) : undefined;
  if (early) return early;
  const known = new KnownRows();
  const wanted = idsToDraw(commands);
  // One id comes with the standing: that is one way there and back.
  const isSingle = wanted.length === 1 && wanted[0]?.count === 1 && wanted[0].taken.size === 0;
  const [single] = before === undefined && isSingle ? wanted : [];
  const locks = lockAll(tx, commands, known);
  const drawing = single === undefined && wanted.length > 0 ? drawAll(tx, wanted) : undefined;
  const asking = before === undefined ? readStanding(tx, caller.keyId, single?.subject) : undefined;
  // Sent in one go.
  if (locks.length > 0 || drawing) await Promise.all([...locks, drawing, asking]);
  const [standing] = (await asking) ?? [];
  const ids = await drawing;
  const nowMs = core.clock.now();
  const nextId = (subject: Subject) => (single ? standing?.drawn_id : ids?.get(subject)?.next().value) ?? 0;
  const drawn = commands.map((command): Drawn => {
    const { subject, rule } = ruleOf(command);
    const id = rule.makes === "drawn" ? nextId(subject) : idOf(command);
    return { id, text: subject.draw(command, core.randomBytes) };
  });
  const worth = before ?? worthOf(caller, standing, nowMs);
  // The first of its kind in this process: its write draws the id for the next one.
  const isFirst = single !== undefined && tx.takesWritesInOne && commands.length === 1 && locks.length === 0;
  return { worth, nowMs, drawn, known, ...(isFirst ? { unasked: single.subject } : {}) };
}

/** One command that makes something and looks at nothing: with an id that was drawn ahead there is nothing to ask first. */
function prepareAhead(core: Core, [command, ...others]: readonly Command[]): Prepared | undefined {
  if (command === undefined || others.length > 0) return undefined;
  const { subject, rule } = ruleOf(command);
  if (rule.makes !== "drawn" || subject.around(command) !== NOTHING) return undefined;
  const ahead = core.ahead.take(subject);
  if (!ahead) return undefined;
  const drawn = [{ id: ahead.id, text: subject.draw(command, core.randomBytes) }];
  const worth = { isKeyLive: true, generation: ahead.generation };
  return { worth, unasked: subject, nowMs: core.clock.now(), drawn, known: new KnownRows() };
}

export function worthOf({ keyId }: Caller, standing: Standing | undefined, nowMs: number): KeyWorth {
  const { generation = 1, revoked_at_ms = null, expires_at_ms = null, user_is_active = null } = standing ?? {};
  const isKeyLive = keyId === null || (user_is_active === 1 && isInForce({ revoked_at_ms, expires_at_ms }, nowMs));
  return { isKeyLive, generation };
}

interface Wanted {
  readonly subject: Subject;
  readonly count: number;
  /** Ids that commands beside them bring along. */
  readonly taken: ReadonlySet<number>;
}

/** How many ids of each kind the commands need. */
function idsToDraw(commands: readonly Command[]): readonly Wanted[] {
  const counts = new Map<Subject, number>();
  const own = new Map<Subject, Set<number>>();
  for (const command of commands) {
    const { subject, rule } = ruleOf(command);
    if (rule.makes === "drawn") counts.set(subject, (counts.get(subject) ?? 0) + 1);
    if (rule.makes === "own") own.set(subject, (own.get(subject) ?? new Set()).add(idOf(command)));
  }
  return [...counts].map(([subject, count]) => ({ subject, count, taken: own.get(subject) ?? new Set() }));
}

async function drawAll(tx: Tx, wanted: readonly Wanted[]): Promise<ReadonlyMap<Subject, Iterator<number>>> {
  const drawn = wanted.map(async ({ subject, count, taken }) => {
    const ids = await tx.drawIds(subject, count + taken.size);
    return [subject, ids.filter((id) => !taken.has(id)).values()] as const;
  });
  return new Map(await Promise.all(drawn));
}

function lockAll(tx: Tx, commands: readonly Command[], rows: KnownRows): Promise<void>[] {
  const around = aroundAll(commands);
  const keep = async (subject: Subject, found: Promise<Stored<SubjectRow>[]>) => {
    for (const row of await found) rows.put(subject, row);
  };
  const locks: Promise<void>[] = [];
  // Read first and so kept first: what is locked after it cannot change any more.
  if (around.users.size > 0) locks.push(keep(USER, findSubjects(tx, USER, [...around.users])));
  for (const subject of SUBJECTS) {
    const ids = [...(around.ids.get(subject) ?? [])];
    if (subject === KEY) {
      const keys = { ids, userIds: [...around.keysOf], withAdmins: around.adminKeys };
      if (ids.length > 0 || keys.userIds.length > 0 || keys.withAdmins) locks.push(keep(KEY, lockKeys(tx, keys)));
    } else if (ids.length > 0) locks.push(keep(subject, lockSubjects(tx, subject, ids)));
  }
  return locks;
}

/** What all of the commands look at: the subjects they change, by kind, and the rows around them. */
function aroundAll(commands: readonly Command[]) {
  const ids = new Map<Subject, Set<number>>();
  const [users, keysOf] = [new Set<number>(), new Set<number>()];
  let adminKeys = false;
  const addIds = (subject: Subject, found: readonly number[]) => {
    const known = ids.get(subject) ?? new Set();
    for (const id of found) known.add(id);
    ids.set(subject, known);
  };
  for (const command of commands) {
    const { subject, rule } = ruleOf(command);
    const around = subject.around(command);
    if (rule.makes === undefined) addIds(subject, [idOf(command)]);
    if (around.lockedUsers) addIds(USER, around.lockedUsers);
    for (const user of around.users ?? []) users.add(user);
    for (const user of around.keysOf ?? []) keysOf.add(user);
    adminKeys ||= around.adminKeys === true;
  }
  return { ids, users, keysOf, adminKeys };
}

function idOf(command: Command): number {
  return "id" in command ? command.id : 0;
}
