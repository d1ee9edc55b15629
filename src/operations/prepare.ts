// What commands are decided by: the rows they are about and around them, locked, the worth of the caller's key, what is drawn.

import type { Caller } from "../model/caller.ts";
import { type Command, ruleOf } from "../model/command.ts";
import { KEY } from "../model/key.ts";
import type { Context, Drawn, Known, Stored, Subject, SubjectRow } from "../model/subject.ts";
import { SUBJECTS } from "../model/subjects.ts";
import { USER } from "../model/user.ts";
import { lockKeys, readStanding } from "../store/queries/keys.ts";
import { findSubjects, lockSubjects } from "../store/queries/subjects.ts";
import type { Tx } from "../store/store.ts";
import type { Core } from "./context.ts";

export interface Prepared extends Pick<Context, "isKeyLive" | "nowMs" | "generation"> {
  /** By the place of the command. */
  readonly drawn: readonly Drawn[];
  readonly known: KnownRows;
}

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

/** Locks kind by kind, each in the order of ids, so that transactions wait for one another and not in a circle. */
export async function prepare(core: Core, caller: Caller, tx: Tx, commands: readonly Command[]): Promise<Prepared> {
  const known = new KnownRows();
  const wanted = idsToDraw(commands);
  const [single] = wanted.length === 1 && wanted[0]?.count === 1 ? wanted : [];
  // Sent in one go. The key is asked about last: what was revoked while the rows were waited for is revoked.
  const locks = lockAll(tx, commands, known);
  const drawing = single === undefined && wanted.length > 0 ? drawAll(tx, wanted) : undefined;
  const standing = readStanding(tx, caller.keyId, single?.subject);
  if (locks.length > 0) await Promise.all([...locks, drawing, standing]);
  const [found] = await standing;
  const ids = await drawing;
  const nowMs = core.clock();
  const { generation = 1, revoked_at_ms = null, expires_at_ms = null, user_is_active = null } = found ?? {};
  const isKeyLive =
    caller.keyId === null ||
    (user_is_active === 1 && revoked_at_ms === null && (expires_at_ms === null || expires_at_ms > nowMs));
  const nextId = (subject: Subject) => (single ? found?.drawn_id : ids?.get(subject)?.next().value) ?? 0;
  const drawn = commands.map((command): Drawn => {
    const { subject, rule } = ruleOf(command);
    const id = rule.makes === "drawn" ? nextId(subject) : idOf(command);
    return { id, text: subject.draw(command, core.randomBytes) };
  });
  return { isKeyLive, nowMs, generation, drawn, known };
}

interface Wanted {
  readonly subject: Subject;
  readonly count: number;
}

/** How many ids of each kind the commands need. */
function idsToDraw(commands: readonly Command[]): readonly Wanted[] {
  const counts = new Map<Subject, number>();
  for (const command of commands) {
    const { subject, rule } = ruleOf(command);
    if (rule.makes === "drawn") counts.set(subject, (counts.get(subject) ?? 0) + 1);
  }
  return [...counts].map(([subject, count]) => ({ subject, count }));
}

async function drawAll(tx: Tx, wanted: readonly Wanted[]): Promise<ReadonlyMap<Subject, Iterator<number>>> {
  const drawn = wanted.map(async ({ subject, count }) => {
    const ids = await tx.drawIds(subject, count);
    return [subject, ids.values()] as const;
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
