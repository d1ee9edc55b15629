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
