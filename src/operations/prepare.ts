// What commands are decided by: the rows they are about and around them, locked, the worth of their callers' keys, what is drawn.

import type { Caller } from "../model/caller.ts";
import { type Command, ruleOf } from "../model/command.ts";
import { isInForce, KEY } from "../model/key.ts";
import {
  cellOf,
  type Drawn,
  foldedBy,
  type Known,
  NOTHING,
  type Stored,
  type Subject,
  type SubjectRow,
  type Unique,
} from "../model/subject.ts";
import { SUBJECTS } from "../model/subjects.ts";
import { USER } from "../model/user.ts";
import { lockKeys, readStandings, type Standing } from "../store/queries/keys.ts";
import { findSubjects, listTaken, lockSubjects } from "../store/queries/subjects.ts";
import type { Tx } from "../store/store.ts";
import type { Ask } from "./ask.ts";
import type { Core } from "./context.ts";
import { EarlierRequests } from "./idempotency.ts";

export interface Prepared {
  readonly worths: Worths;
  /** Whether the write asks about the keys: until then they are taken to be good. */
  readonly isUnasked: boolean;
  readonly nowMs: number;
  /** By the place of the command. */
  readonly drawn: readonly Drawn[];
  readonly known: KnownRows;
  readonly taken: TakenValues;
  readonly earlier: EarlierRequests;
}

/** What a transaction found out when it first asked: it may end its caller's own key, and goes on all the same. */
export class Worths {
  readonly generation: number;
  /** Undefined where nobody has asked yet. */
  readonly #live: ReadonlySet<number> | undefined;

  constructor(generation: number, live: ReadonlySet<number> | undefined) {
    this.generation = generation;
    this.#live = live;
  }

  static from(standings: readonly Standing[], nowMs: number): Worths {
    const live = standings.filter(
      (standing) => standing.user_is_active === 1 && isInForce(standing, nowMs) && standing.key_id !== null,
    );
    return new Worths(standings[0]?.generation ?? 1, new Set(live.map(({ key_id }) => key_id as number)));
  }

  isKeyLive({ keyId }: Caller): boolean {
    return keyId === null || this.isLive(keyId);
  }

  isLive(keyId: number): boolean {
    return this.#live === undefined || this.#live.has(keyId);
  }
}

/** Rows of one transaction by kind and id, as the commands before have left them. */
export class KnownRows implements Known {
  readonly #byType = new Map<string, Map<number, Stored<SubjectRow>>>();
  readonly #byName = new Map<string, number>();

  find(type: string, id: number): Stored<SubjectRow> | undefined {
    return this.#byType.get(type)?.get(id);
  }

  findNamed({ type }: Pick<Subject, "type">, name: string): Stored<SubjectRow> | undefined {
    return this.find(type, this.#byName.get(`${type} ${name}`) ?? 0);
  }

  all(type: string): Iterable<SubjectRow> {
    return this.#byType.get(type)?.values() ?? [];
  }

  put({ type, nameColumn }: Pick<Subject, "type" | "nameColumn">, row: Stored<SubjectRow>): void {
    const rows = this.#byType.get(type);
    if (rows) rows.set(row.id, row);
    else this.#byType.set(type, new Map([[row.id, row]]));
    if (nameColumn !== undefined) this.#byName.set(`${type} ${cellOf(row, nameColumn)}`, row.id);
  }
}

/** Unique values that other rows have, as far as it was asked, and those that commands before have given. */
export class TakenValues {
  readonly #holders = new Map<string, number>();

  put(constraint: string, unique: Unique, value: string, id: number): void {
    this.#holders.set(keyOf(constraint, unique, value), id);
  }

  /** Throws what a row is refused with of which a unique value is another's. */
  check(subject: Subject, row: SubjectRow): void {
    for (const [constraint, unique] of Object.entries(subject.uniques)) {
      const holder = this.#holders.get(keyOf(constraint, unique, String(cellOf(row, unique.column))));
      if (holder !== undefined && holder !== row.id) throw unique.refusal(row);
    }
  }

  /** A row as it becomes, and as it was: what it had before is free again. */
  take(subject: Subject, row: SubjectRow, before: SubjectRow | undefined): void {
    for (const [constraint, unique] of Object.entries(subject.uniques)) {
      if (before) this.#holders.delete(keyOf(constraint, unique, String(cellOf(before, unique.column))));
      this.put(constraint, unique, String(cellOf(row, unique.column)), row.id);
    }
  }
}

function keyOf(constraint: string, unique: Unique, value: string): string {
  return `${constraint} ${foldedBy(unique, value)}`;
}

export interface PrepareOptions {
  /** What the transaction has found out before. */
  readonly before: Worths | undefined;
  /** Whether it is asked first which unique values are taken, so that one command that is refused takes nobody with it. */
  readonly isEachAlone: boolean;
}

/**
 * Locks kind by kind, each in the order of ids, so that transactions wait for one another and not in a circle. The keys are asked
 * about after that, in the same transaction, and not locked: a revocation that commits at this very moment is as good as later.
 */
export async function prepare(
  core: Core,
  tx: Tx,
  asks: readonly Ask[],
  { before, isEachAlone }: PrepareOptions,
): Promise<Prepared> {
  const early = before === undefined && tx.takesWritesInOne ? prepareAhead(core, asks, isEachAlone) : undefined;
  if (early) return early;
  const known = new KnownRows();
  const taken = new TakenValues();
  const earlier = new EarlierRequests();
  const wanted = idsToDraw(asks);
  const locks = lockAll(tx, asks, known);
  const looks = isEachAlone ? lookUpTaken(tx, asks, taken) : [];
  const drawing = wanted.length > 0 ? drawAll(core, tx, wanted) : undefined;
  const asking = before === undefined ? readStandings(tx, keyIdsOf(asks)) : undefined;
  // Sent in one go.
  await Promise.all([...locks, ...looks, earlier.read(tx, asks), drawing, asking]);
  const ids = await drawing;
  const standings = await asking;
  const nowMs = core.clock.now();
  const worths = before ?? Worths.from(standings ?? [], nowMs);
  if (standings) core.ahead.learn(worths.generation);
  const drawn = asks.map(({ command }): Drawn => {
    const { subject, rule } = ruleOf(command);
    const id = rule.makes === "drawn" ? (ids?.get(subject)?.next().value ?? 0) : idOf(command);
    return { id, text: subject.draw(command, core.randomBytes) };
  });
  return { worths, isUnasked: false, nowMs, drawn, known, taken, earlier };
}

/** Commands that make something and look at nothing: with ids that were drawn ahead there is nothing to ask first. */
function prepareAhead(core: Core, asks: readonly Ask[], isEachAlone: boolean): Prepared | undefined {
  const [first] = asks;
  if (first === undefined) return undefined;
  const { subject } = ruleOf(first.command);
  const isSimple = ({ command, idempotency }: Ask) => {
    const { rule, subject: own } = ruleOf(command);
    return own === subject && rule.makes === "drawn" && own.around(command) === NOTHING && !idempotency;
  };
  if (!asks.every(isSimple)) return undefined;
  // Whoever names a value that is taken must fail alone.
  if (isEachAlone && asks.length > 1 && uniquesNamed(asks).length > 0) return undefined;
  const ahead = core.ahead.take(subject, asks.length);
  if (!ahead) return undefined;
  const drawn = asks.map(({ command }, at) => ({
    id: ahead.ids[at] as number,
    text: subject.draw(command, core.randomBytes),
  }));
  const worths = new Worths(ahead.generation, undefined);
  const [known, taken, earlier] = [new KnownRows(), new TakenValues(), new EarlierRequests()];
  return { worths, isUnasked: true, nowMs: core.clock.now(), drawn, known, taken, earlier };
}

/** Whether the caller's key may be used now, for a transaction that may end without a command. */
export async function isKeyGood(tx: Tx, caller: Caller, nowMs: number): Promise<boolean> {
  return caller.keyId === null || Worths.from(await readStandings(tx, [caller.keyId]), nowMs).isKeyLive(caller);
}

/** Of the callers' keys, each once. */
export function keyIdsOf(asks: readonly Ask[]): readonly number[] {
  const ids = new Set<number>();
  for (const { caller } of asks) if (caller.keyId !== null) ids.add(caller.keyId);
  return [...ids];
}

interface NamedUnique {
  readonly subject: Subject;
  readonly constraint: string;
  readonly unique: Unique;
  readonly values: readonly string[];
}

/** The unique values that commands name themselves. */
function uniquesNamed(asks: readonly Ask[]): readonly NamedUnique[] {
  return [...Map.groupBy(asks, ({ command }) => ruleOf(command).subject)].flatMap(([subject, own]) =>
    Object.entries(subject.uniques).flatMap(([constraint, unique]) => {
      const named = own.map(({ command }) => (command as Readonly<Record<string, unknown>>)[unique.column]);
      const values = [...new Set(named.filter((value) => typeof value === "string").map((value) => value.trim()))];
      return values.length === 0 ? [] : [{ subject, constraint, unique, values }];
    }),
  );
}

function lookUpTaken(tx: Tx, asks: readonly Ask[], taken: TakenValues): Promise<void>[] {
  return uniquesNamed(asks).map(async ({ subject, constraint, unique, values }) => {
    for (const { value, id } of await listTaken(tx, subject, unique, values)) taken.put(constraint, unique, value, id);
  });
}

interface Wanted {
  readonly subject: Subject;
  readonly count: number;
  /** Ids that commands beside them bring along. */
  readonly taken: ReadonlySet<number>;
}

/** How many ids of each kind the commands need. */
function idsToDraw(asks: readonly Ask[]): readonly Wanted[] {
  const counts = new Map<Subject, number>();
  const own = new Map<Subject, Set<number>>();
  for (const { command } of asks) {
    const { subject, rule } = ruleOf(command);
    if (rule.makes === "drawn") counts.set(subject, (counts.get(subject) ?? 0) + 1);
    if (rule.makes === "own") own.set(subject, (own.get(subject) ?? new Set()).add(idOf(command)));
  }
  return [...counts].map(([subject, count]) => ({ subject, count, taken: own.get(subject) ?? new Set() }));
}

async function drawAll(core: Core, tx: Tx, wanted: readonly Wanted[]): Promise<ReadonlyMap<Subject, Iterator<number>>> {
  const drawn = wanted.map(async ({ subject, count, taken }) => {
    const more = tx.takesWritesInOne ? core.ahead.lacks(subject) : 0;
    const ids = (await tx.drawIds(subject, count + taken.size + more)).filter((id) => !taken.has(id));
    core.ahead.keep(subject, more > 0 ? ids.splice(count) : []);
    return [subject, ids.values()] as const;
  });
  return new Map(await Promise.all(drawn));
}

function lockAll(tx: Tx, asks: readonly Ask[], rows: KnownRows): Promise<void>[] {
  const around = aroundAll(asks);
  const keep = async (subject: Subject, found: Promise<Stored<SubjectRow>[]>) => {
    for (const row of await found) rows.put(subject, row);
  };
  const locks: Promise<void>[] = [];
  // Read first and so kept first: what is locked after it cannot change any more.
  if (around.users.size > 0) locks.push(keep(USER, findSubjects(tx, USER, [...around.users])));
  for (const subject of SUBJECTS) {
    const { ids = [], names = [] } = around.own.get(subject) ?? {};
    if (subject === KEY) {
      const keys = { ids: [...ids], userIds: [...around.keysOf], withAdmins: around.adminKeys };
      if (keys.ids.length > 0 || keys.userIds.length > 0 || keys.withAdmins) locks.push(keep(KEY, lockKeys(tx, keys)));
      continue;
    }
    const wanted = { ids: [...ids], names: [...names] };
    if (wanted.ids.length > 0 || wanted.names.length > 0) locks.push(keep(subject, lockSubjects(tx, subject, wanted)));
  }
  return locks;
}

/** What all of the commands look at: the subjects they change, by kind, and the rows around them. */
function aroundAll(asks: readonly Ask[]) {
  const own = new Map<Subject, { readonly ids: Set<number>; readonly names: Set<string> }>();
  const [users, keysOf] = [new Set<number>(), new Set<number>()];
  let adminKeys = false;
  const ownOf = (subject: Subject) => {
    const known = own.get(subject) ?? { ids: new Set(), names: new Set() };
    own.set(subject, known);
    return known;
  };
  for (const { command, name } of asks) {
    const { subject, rule } = ruleOf(command);
    const around = subject.around(command);
    if (rule.makes === undefined) {
      if (name === undefined) ownOf(subject).ids.add(idOf(command));
      else ownOf(subject).names.add(name);
    }
    for (const user of around.lockedUsers ?? []) ownOf(USER).ids.add(user);
    for (const user of around.users ?? []) users.add(user);
    for (const user of around.keysOf ?? []) keysOf.add(user);
    adminKeys ||= around.adminKeys === true;
  }
  return { own, users, keysOf, adminKeys };
}

function idOf(command: Command): number {
  return "id" in command ? command.id : 0;
}
