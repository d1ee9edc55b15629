// What a kind of subject is: one definition says it, and everything that must know reads it there (subjects.ts lists them). Pure.

import type { TSchema } from "@sinclair/typebox";
import { DeadletterError } from "../errors.ts";
import type { Caller, Viewer } from "./caller.ts";
import type { EventType } from "./event.ts";
import { type Cell, type Column, type Field, type Fields, isSameValue, type State } from "./field.ts";
import type { Role } from "./role.ts";

/** What every subject's row has, but for its head. */
export interface SubjectRow {
  readonly id: number;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
  readonly version: number;
}

/** A row as it is stored, with the leaf hash of the subject's newest event. */
export type Stored<Row> = Row & { readonly head: Uint8Array };

/** What is asked for, as plain JSON. A change of what is there names it by `id`, and may name the versions it is willing to change. */
export interface SubjectCommand {
  readonly type: string;
  readonly id?: number;
  readonly if_version?: readonly number[];
}

/** What a kind of command is: its shape, and the role it takes. */
export interface CommandRule {
  readonly schema: TSchema;
  readonly needs: Role;
  /** Whether it makes a subject; its id is drawn, or for an import its own. */
  readonly makes?: "drawn" | "own";
}

/** What was decided: the subject as it becomes, and what its event says. */
export interface Decision<Row extends SubjectRow = SubjectRow> {
  readonly op: EventType;
  readonly next: Row;
  readonly reason: string | null;
  /** What the event's state says beside the subject itself; its names are in `beside` of the definition. */
  readonly beside?: State;
}

/** Which incident holds a link down, but for `but`; `keyId` is that of the key with which one is made that is not there yet. */
export type HeldBy = (
  link: SubjectRow,
  options?: { readonly keyId?: number | null | undefined; readonly but?: number | undefined },
) => number | undefined;

/** All that a decision may look at beside the row and the command. */
export interface Context {
  readonly caller: Caller;
  /** Whether the caller's key may still be used, as the transaction sees it; true where the caller has none. */
  readonly isKeyLive: boolean;
  readonly nowMs: number;
  /** Of the store (store/generation.ts): fields gained later say nothing yet. */
  readonly generation: number;
  /** Hosts (with port, where it is not the scheme's own) that answer redirects. */
  readonly ownHosts: ReadonlySet<string>;
  readonly drawn: Drawn;
  readonly known: Known;
  /** Which open incident holds a link down, as far as this process has heard; `but` is one that is not asked. */
  readonly heldBy: HeldBy;
}

/** What is drawn for a command before it is decided, so that deciding is pure. */
export interface Drawn {
  /** For a command that makes a subject, its id. */
  readonly id: number;
  /** What the definition's `draw` made. */
  readonly text: string;
}

/** The rows that are locked or read with the command's own, as the commands before it in the transaction have left them. */
export interface Known {
  find(type: string, id: number): SubjectRow | undefined;
  all(type: string): Iterable<SubjectRow>;
}

/** Rows beside its own that a command is decided by. */
export interface Around {
  /** Users that are read, and users that are locked until the transaction ends. */
  readonly users?: readonly number[];
  readonly lockedUsers?: readonly number[];
  /** Users of whom all keys are locked. */
  readonly keysOf?: readonly number[];
  /** Whether all keys of role admin are locked. */
  readonly adminKeys?: boolean;
}

/** What a command that looks at no other row has around it. */
export const NOTHING: Around = {};

/** Rows of an unaudited table that follow from a subject's: written with it, rebuilt by `reindex`, checked by `verify`. */
export interface SideTable<Row extends SubjectRow = SubjectRow> {
  readonly table: string;
  /** The column that names the subject. */
  readonly key: string;
  readonly columns: readonly Column[];
  rowsOf(row: Row): readonly SideRow[];
  /** The first generation whose releases keep it. */
  readonly generation: number;
}

/** A column in which every row is another. */
export interface Unique {
  readonly column: string;
  /** Whether it is compared without case. */
  readonly isFolded: boolean;
  /** What the row that came second is refused with. */
  refusal(row: SubjectRow): DeadletterError;
}

/** A value as it is compared. */
export function foldedBy({ isFolded }: Pick<Unique, "isFolded">, value: string): string {
  return isFolded ? value.toLowerCase() : value;
}

export type SideRow = Readonly<Record<string, Cell>>;

export interface Subject<Row extends SubjectRow = SubjectRow, Command extends SubjectCommand = SubjectCommand> {
  /** As leaves and rows name it: `url:42`. Frozen. */
  readonly type: string;
  /** As commands and people call it: `link.create`. */
  readonly noun: string;
  /** The unique column by which one may be named in the place of its id. */
  readonly nameColumn?: string;
  /** Its ids come from the sequence TABLE_id_seq, or on the embedded store after the largest there ever was. */
  readonly table: string;
  readonly fields: Fields;
  /** The first generation whose releases know of the kind, where that is not the first one. */
  readonly generation?: number;
  readonly events: readonly EventType[];
  /** What the state of some event may say beside the subject itself. */
  readonly beside: readonly string[];
  readonly sides: readonly SideTable<Row>[];
  readonly commands: Readonly<Record<string, CommandRule>>;
  /** What no two of them may share, by the name of the index that holds it. */
  readonly uniques: Readonly<Record<string, Unique>>;
  isActive(state: State): boolean;
  /** The first generation in whose stores one that is inactive may be updated; undefined where none may. */
  readonly mayChangeInactive?: number;
  /** How people know it; undefined where only by its id. */
  nameOf(state: State): string | undefined;
  /** The database's own counter that counts one in this state; undefined where none does. */
  counterOf(state: State): string | undefined;
  /** The state with what the viewer may not know taken out. */
  show(viewer: Viewer, state: State): State;
  /** Whether the disclosure of a state, which holds all of it, may be shown as it is. */
  mayReadDisclosure(viewer: Viewer, id: number): boolean;
  around(command: Command): Around;
  /** Refuses what is wrong with a command whatever it is about, before anything is locked for it; decide() finds it as well. */
  check(command: Command, caller: Caller, ownHosts: ReadonlySet<string>): void;
  /** What is random about the command; empty where nothing is. `randomBytes` must be cryptographically secure. */
  draw(command: Command, randomBytes: (size: number) => Uint8Array): string;
  /** Null where the command changes nothing. Throws DeadletterError, which is the refusal. */
  decide(row: Row | null, command: Command, context: Context): Decision<Row> | null;
}

/** A field of a definition with its name, and the name of its column. */
interface NamedField {
  readonly name: string;
  readonly column: string;
  readonly field: Field;
}

/** Worked out once a definition: every state is read by it. */
const NAMED_FIELDS = new WeakMap<Fields, readonly NamedField[]>();

export function fieldsOf({ fields }: Pick<Subject, "fields">): readonly NamedField[] {
  const known = NAMED_FIELDS.get(fields);
  if (known) return known;
  const named = Object.entries(fields).map(([name, field]) => ({ name, column: `${name}${field.suffix}`, field }));
  NAMED_FIELDS.set(fields, named);
  return named;
}

/** Columns of a table, in this order. */
export function columns(types: Readonly<Record<string, Column["type"]>>): readonly Column[] {
  return Object.entries(types).map(([name, type]) => ({ name, type }));
}

/** The columns of a subject's table, in the order of its fields; the head is beside them. */
export function columnsOf(subject: Pick<Subject, "fields">): readonly string[] {
  return fieldsOf(subject).map(({ column }) => column);
}

/** The same as they are stored, with the head; those that change in a subject's life, with its id. Worked out once a definition. */
export function storedColumnsOf({ fields }: Pick<Subject, "fields">) {
  const known = STORED_COLUMNS.get(fields);
  if (known) return known;
  const named = fieldsOf({ fields }).map(({ name, column, field }) => ({
    column: { name: column, type: field.type },
    isChanging: name === "id" || !field.isFixed,
  }));
  const stored = {
    all: [...named.map(({ column }) => column), HEAD],
    changing: [...named.filter(({ isChanging }) => isChanging).map(({ column }) => column), HEAD],
  };
  STORED_COLUMNS.set(fields, stored);
  return stored;
}

const STORED_COLUMNS = new WeakMap<Fields, { readonly all: readonly Column[]; readonly changing: readonly Column[] }>();
const HEAD: Column = { name: "head", type: "bytes" };

/** The full state of a row: every field the definition has. */
export function stateFromRow(subject: Pick<Subject, "fields">, row: object): State {
  const state: Record<string, unknown> = {};
  for (const { name, column, field } of fieldsOf(subject)) state[name] = field.read(cellOf(row, column));
  return state;
}

/** What an event says of a state: without fields gained later that say what their absence says, as older releases write it. */
export function auditedState(subject: Pick<Subject, "fields">, state: State): State {
  const said: Record<string, unknown> = {};
  for (const { name, field } of fieldsOf(subject))
    if (field.gained === undefined || !isSameValue(state[name], field.gained.absent)) said[name] = state[name];
  return said;
}

/** A state as it may be shown to somebody: without what is audited and hidden from everybody. */
export function withoutHidden({ fields }: Pick<Subject, "fields">, state: State): State {
  return Object.fromEntries(Object.entries(state).filter(([name]) => !fields[name]?.isHidden));
}

/** What a state says of a field, also where it was written before there was one. */
export function valueIn({ fields }: Pick<Subject, "fields">, state: State, name: string): unknown {
  return name in state ? state[name] : fields[name]?.gained?.absent;
}

/** A state with every field of today in it: those it was written before say what their absence says. What stands beside it stays. */
export function wholeState(subject: Pick<Subject, "fields">, state: State): State {
  const names = Object.keys({ ...subject.fields, ...state });
  return Object.fromEntries(names.map((name) => [name, valueIn(subject, state, name)]));
}

/** The fields of two states that say something else, by name. */
export function differingFields(subject: Pick<Subject, "fields">, one: State, other: State): string[] {
  const names = new Set([...Object.keys(subject.fields), ...Object.keys(one), ...Object.keys(other)]);
  return [...names].filter((name) => !isSameValue(valueIn(subject, one, name), valueIn(subject, other, name)));
}

/** The state of a stored row, field by field; a cell that no value could have been written as stands as it is. */
export function stateAsStored(subject: Pick<Subject, "fields">, row: object): State {
  const state: Record<string, unknown> = { ...stateFromRow(subject, row) };
  for (const { name, column, field } of fieldsOf(subject)) {
    const cell = cellOf(row, column);
    if (field.write(state[name]) !== cell) state[name] = cell;
  }
  return state;
}

/** The subject itself out of what an event says, without what its event has to say beside it. */
export function withoutBeside({ beside }: Pick<Subject, "beside">, state: State): State {
  if (!beside.some((name) => name in state)) return state;
  return Object.fromEntries(Object.entries(state).filter(([name]) => !beside.includes(name)));
}

/** What a row of a definition's table holds in a column; null where it holds nothing. */
export function cellOf(row: object, column: string): Cell {
  return (row as Readonly<Record<string, Cell>>)[column] ?? null;
}

/** The first version of a subject. */
export function born<Row>(fields: Row, context: Context) {
  const { drawn, nowMs } = context;
  return { ...fields, id: drawn.id, created_at_ms: nowMs, updated_at_ms: nowMs, version: 1 };
}

/** Its next version, at the clock's time but never before its last, so that histories read in order. */
export function nextVersion<Row extends SubjectRow>(row: Row, changes: Partial<Row>, { nowMs }: Context): Row {
  return { ...row, ...changes, updated_at_ms: Math.max(nowMs, row.updated_at_ms), version: row.version + 1 };
}

/** RFC 9110 section 13.1.1: the versions a command is willing to change; undefined where any will do. */
export function checkVersion(expected: readonly number[] | undefined, noun: string, version: number): void {
  if (expected !== undefined && !expected.includes(version))
    throw new DeadletterError("precondition_failed", `If-Match does not match: the current version is ${version}`, {
      hint: `read the ${noun} again and repeat the change on what it is now`,
    });
}
