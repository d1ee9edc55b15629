// Parts that the schemas of several nouns share. Pure.

import { type TSchema, Type } from "@sinclair/typebox";

/** A member that the schema does not name is refused. */
export const strict = { additionalProperties: false } as const;

const idRange = { minimum: 1, maximum: Number.MAX_SAFE_INTEGER };

export const Id = Type.Integer(idRange);

/** The owner of a link, where it is not the caller. */
export const Owner = Type.Integer({
  ...idRange,
  description: "the owner; the key's user by default, and only an admin may name another",
});

/** RFC 3339, UTC, with milliseconds. */
export const Timestamp = Type.String({ format: "date-time", examples: ["2026-11-26T09:30:00.000Z"] });

/** The owner that a link is handed over to. */
export const NextOwner = Type.Integer({ ...idRange, description: "hands the link over; for its owner, or an admin" });

/** Why somebody asks for a change; checked by the noun it is a change of. */
export const Reason = Type.Optional(Type.String({ description: "why; kept in the event" }));

/** As text that parseTime() reads. */
export const TimeText = Type.String({ description: "RFC 3339" });

export const ExpiresAt = Type.Optional(Type.Union([TimeText, Type.Null()], { description: "null: never" }));

export function nullable<Schema extends TSchema>(schema: Schema) {
  return Type.Union([schema, Type.Null()]);
}

/** One of a closed list of words, or of numbers. */
export function wordOf<Word extends string | number>(
  words: readonly Word[],
  options: { readonly description?: string } = {},
) {
  return Type.Unsafe<Word>(
    Type.Union(
      words.map((each) => Type.Literal(each)),
      options,
    ),
  );
}

/** What is wrong with a value, in words: which there are to choose from, or the library's own. */
export function explainValue({ schema, message }: { readonly schema: TSchema; readonly message: string }): string {
  const choices = choicesOf(schema);
  if (choices !== undefined) return `must be ${choices}`;
  return `${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}

/** Of a union of constants, null, ranges and texts; undefined of anything else. */
function choicesOf({ anyOf }: TSchema): string | undefined {
  if (!Array.isArray(anyOf)) return undefined;
  const names = (anyOf as TSchema[]).map((each) => {
    if (each.const !== undefined) return String(each.const);
    if (each.type === "integer" && each.minimum !== undefined && each.maximum !== undefined)
      return `an integer from ${each.minimum} to ${each.maximum}`;
    return each.type === "null" ? "null" : each.type === "string" ? (each.description ?? "a text") : undefined;
  });
  if (names.some((name) => name === undefined)) return undefined;
  return names.length > 2 ? `one of ${names.join(", ")}` : names.join(" or ");
}
