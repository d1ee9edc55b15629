// The audited fields of a subject: each says once how it stands in a state, in its column, and in an answer. Pure.

import { isDeepStrictEqual } from "node:util";
import { type Static, type TObject, type TSchema, Type } from "@sinclair/typebox";
import { nullable, Timestamp, wordOf } from "./schema.ts";
import { formatOptionalTime, formatTime } from "./time.ts";

/** What a column of a subject holds: the types on which both engines agree. */
export type Cell = string | number | null;

export interface Column {
  readonly name: string;
  readonly type: "integer" | "text" | "bytes";
}

/** The full audited state of a subject after an event: its fields as JSON. */
export type State = Readonly<Record<string, unknown>>;

/** What states that lack the field are taken to say, and from which generation on it may say anything else. */
export interface Gained {
  readonly generation: number;
  readonly absent: unknown;
}

export interface FieldOptions {
  /** Never changes in a subject's life. */
  readonly isFixed?: boolean;
  /** Changes only in stores of this generation on: before it, no release knew that it could. */
  readonly isFixedBefore?: number;
  /** Audited, but never shown. */
  readonly isHidden?: boolean;
  /** For a field that states did not have from the first release on. */
  readonly gained?: Gained;
}

export interface Field<Schema extends TSchema = TSchema, C extends Cell = Cell, Suffix extends string = string>
  extends FieldOptions {
  /** Of the value in states and in answers. */
  readonly schema: Schema;
  /** The column's name is the field's and this. */
  readonly suffix: Suffix;
  readonly type: Column["type"];
  read(cell: C): Static<Schema>;
  write(value: Static<Schema>): C;
}

export type Fields = Readonly<Record<string, Field>>;

type SchemasOf<F extends Fields> = { [Name in keyof F]: F[Name]["schema"] };

/** A row of the subject's table, but for its head. */
export type RowOf<F extends Fields> = {
  readonly [Name in keyof F & string as `${Name}${F[Name]["suffix"]}`]: ReturnType<F[Name]["write"]>;
};

export const integer = (options: FieldOptions = {}) =>
  plain(Type.Integer(), options, { type: "integer", same: toNumber });
export const optionalInteger = (options: FieldOptions = {}) =>
  plain(nullable(Type.Integer()), options, { type: "integer", same: toOptionalNumber });
export const text = (options: FieldOptions = {}) => plain(Type.String(), options, { type: "text", same: toText });
export const optionalText = (options: FieldOptions = {}) =>
  plain(nullable(Type.String()), options, { type: "text", same: toOptionalText });

/** One of a closed list of words. */
export function word<Word extends string>(words: readonly Word[], options: FieldOptions = {}) {
  const schema = wordOf(words);
  const same = (value: Word) => value;
  return { ...options, schema, suffix: "", type: "text", read: same, write: same } as const;
}

/** One of a closed list of numbers. */
export function wordNumber<Word extends number>(words: readonly Word[], options: FieldOptions = {}) {
  const schema = wordOf(words);
  const same = (value: Word) => value;
  return { ...options, schema, suffix: "", type: "integer", read: same, write: same } as const;
}

/** What an empty list is read as: always this one, so that it is told from another without looking into it. */
export const NO_TEXTS: string[] = Object.freeze([]) as never;

/** A list of texts in a state, the same as JSON in its column. */
export function textList(options: FieldOptions = {}) {
  const write = (value: readonly string[]): string => JSON.stringify(value);
  return { ...options, schema: Type.Array(Type.String()), suffix: "", type: "text", read: readTexts, write } as const;
}

/** Total: a cell that no list could have been written as reads as none, which does not write back to it. */
export function readTexts(cell: string): string[] {
  if (cell === "[]") return NO_TEXTS;
  try {
    const texts: unknown = JSON.parse(cell);
    return Array.isArray(texts) && texts.every((text) => typeof text === "string") ? texts : NO_TEXTS;
  } catch {
    return NO_TEXTS;
  }
}

/** A value of a schema in a state, the same as JSON in its column, as it was first written. */
export function json<Schema extends TSchema>(schema: Schema, options: FieldOptions = {}) {
  const read = (cell: string): Static<Schema> => readJson(cell) as Static<Schema>;
  const write = (value: Static<Schema>): string => JSON.stringify(value);
  return { ...options, schema, suffix: "", type: "text", read, write } as const;
}

/** Total: what is no JSON reads as null, which does not write back to it. */
function readJson(cell: string): unknown {
  try {
    return JSON.parse(cell);
  } catch {
    return null;
  }
}

/** True or false in a state, 1 or 0 in its column. */
export function flag(options: FieldOptions = {}) {
  const read = (cell: number) => cell === 1;
  const write = (value: boolean): number => (value ? 1 : 0);
  return { ...options, schema: Type.Boolean(), suffix: "", type: "integer", read, write } as const;
}

/** RFC 3339 in a state, milliseconds since the epoch in its column, whose name ends in _ms. */
export function time(options: FieldOptions = {}) {
  return { ...options, schema: Timestamp, suffix: "_ms", type: "integer", read: formatTime, write: toMs } as const;
}

export function optionalTime(options: FieldOptions = {}) {
  const write = (value: string | null) => (value === null ? null : toMs(value));
  const schema = nullable(Timestamp);
  return { ...options, schema, suffix: "_ms", type: "integer", read: formatOptionalTime, write } as const;
}

function plain<Schema extends TSchema, C extends Cell>(
  schema: Schema,
  options: FieldOptions,
  { type, same }: { readonly type: Column["type"]; readonly same: (value: Static<Schema>) => C },
) {
  return { ...options, schema, suffix: "", type, read: same as (cell: C) => Static<Schema>, write: same } as const;
}

function toNumber(value: number): number {
  return value;
}

function toOptionalNumber(value: number | null): number | null {
  return value;
}

function toText(value: string): string {
  return value;
}

function toOptionalText(value: string | null): string | null {
  return value;
}

function toMs(value: string): number {
  return Date.parse(value);
}

/** The schema of a subject as it is shown, under the name that the API's description has for it. */
export function schemaOf<F extends Fields>(name: string, shown: F, example: State): TObject<SchemasOf<F>> {
  const schemas = Object.entries(shown).map(([field, { schema }]) => [field, schema]);
  return Type.Object(Object.fromEntries(schemas), { $id: name, examples: [example] }) as TObject<SchemasOf<F>>;
}

/** Structural, since a field may be a list; where a state lacks the field it says what it is taken to say. */
export function isSameValue(one: unknown, other: unknown): boolean {
  return one === other || isDeepStrictEqual(one, other);
}
