// The link: what it is, and the commands that change it. How each is decided: link-subject.ts. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { LIMITS } from "../limits.ts";
import {
  flag,
  integer,
  NO_TEXTS,
  optionalInteger,
  optionalTime,
  type RowOf,
  schemaOf,
  text,
  textList,
  time,
  word,
  wordNumber,
} from "./field.ts";
import { FORWARDS, QUERY_WINNERS } from "./forward.ts";
import { ExpiresAt, Id, NextOwner, nullable, Owner, Reason, strict, TimeText, wordOf } from "./schema.ts";
import { stateFromRow } from "./subject.ts";

/** The only redirects there are to choose from (RFC 9110 section 15.4): 302 may change, 301 and 308 are kept by browsers. */
export const LINK_STATUSES = [302, 301, 307, 308] as const;
export type LinkStatus = (typeof LINK_STATUSES)[number];

/** Of the release that brought tags, forwarding, beginnings, statuses, max-age, and owners that change. */
export const OPTIONS_GENERATION = 3;

function gained<Absent>(absent: Absent) {
  return { gained: { generation: OPTIONS_GENERATION, absent } };
}

export const LINK_FIELDS = {
  id: integer({ isFixed: true }),
  short_code: text({ isFixed: true }),
  original_url: text(),
  title: text(),
  is_active: flag(),
  expires_at: optionalTime(),
  user_id: optionalInteger({ isFixedBefore: OPTIONS_GENERATION }),
  created_at: time({ isFixed: true }),
  updated_at: time(),
  version: integer(),
  tags: textList(gained(NO_TEXTS)),
  starts_at: optionalTime(gained(null)),
  status: wordNumber(LINK_STATUSES, gained(302)),
  max_age: optionalInteger(gained(null)),
  forward: word(FORWARDS, gained("none")),
  query_wins: word(QUERY_WINNERS, gained("target")),
  /** That took it down, as long as it is down for that. */
  incident_id: optionalInteger(gained(null)),
};

export const Link = schemaOf("Link", LINK_FIELDS, {
  id: 42,
  short_code: "sale",
  original_url: "https://shop.example/sale",
  title: "Winter sale",
  is_active: true,
  expires_at: null,
  user_id: 1,
  created_at: "2026-11-26T09:30:00.000Z",
  updated_at: "2026-11-26T09:30:00.000Z",
  version: 1,
  tags: ["winter"],
  starts_at: null,
  status: 302,
  max_age: null,
  forward: "none",
  query_wins: "target",
  incident_id: null,
});
export type Link = Static<typeof Link>;
export type LinkRow = RowOf<typeof LINK_FIELDS>;

export function linkFromRow(row: LinkRow): Link {
  return stateFromRow({ fields: LINK_FIELDS }, row) as Link;
}

/** Members that a link may be made with and changed in alike. */
const options = {
  tags: Type.Optional(
    Type.Array(Type.String(), {
      description: `at most ${LIMITS.tagsPerLink}, each 1 to ${LIMITS.tagChars} characters without a comma; compared without case`,
    }),
  ),
  starts_at: Type.Optional(Type.Union([TimeText, Type.Null()], { description: "404 until then; null: at once" })),
  status: Type.Optional(
    wordOf(LINK_STATUSES, { description: "of the redirect; browsers keep 301 and 308, and no change undoes that" }),
  ),
  max_age: Type.Optional(
    nullable(
      Type.Integer({
        minimum: 1,
        maximum: LIMITS.maxAgeS,
        description: "seconds for which a browser may follow the link without asking again; null: it always asks",
      }),
    ),
  ),
  forward: Type.Optional(
    wordOf(FORWARDS, { description: "what of the visitor's address goes to the target: its query, its path, or both" }),
  ),
  query_wins: Type.Optional(
    wordOf(QUERY_WINNERS, { description: "whose value of a query member stands where both have one" }),
  ),
};

const subject = { id: Id, if_version: Type.Optional(Type.Array(Type.Integer())) };

/** What a command that makes a link says of it, which is also the body of a request that does. */
export const NewLink = Type.Object(
  {
    original_url: Type.String({ description: `absolute http or https URL, at most ${LIMITS.urlBytes} bytes` }),
    title: Type.Optional(Type.String({ description: `at most ${LIMITS.titleChars} characters` })),
    short_code: Type.Optional(
      Type.String({ description: "3-64 of A-Za-z0-9_-, not all digits; generated when absent" }),
    ),
    expires_at: ExpiresAt,
    // Not Elysia's own integer, which would take the text "1" for the number.
    user_id: Type.Optional(Owner),
    ...options,
    reason: Reason,
  },
  strict,
);

/** What a command that changes a link says, which is also the body of a request that does. */
export const LinkEdit = Type.Object(
  {
    original_url: Type.Optional(Type.String()),
    title: Type.Optional(Type.String({ description: `at most ${LIMITS.titleChars} characters` })),
    expires_at: ExpiresAt,
    is_active: Type.Optional(Type.Literal(false, { description: "deletes the link; POST .../restore brings it back" })),
    user_id: Type.Optional(NextOwner),
    ...options,
    reason: Reason,
  },
  strict,
);

const LinkCreate = Type.Object({ type: Type.Literal("link.create"), ...NewLink.properties }, strict);
const LinkUpdate = Type.Object({ type: Type.Literal("link.update"), ...subject, ...LinkEdit.properties }, strict);
const LinkDelete = Type.Object({ type: Type.Literal("link.delete"), ...subject, reason: Reason }, strict);
const LinkRestore = Type.Object({ type: Type.Literal("link.restore"), ...subject, reason: Reason }, strict);
/** Returns to what an earlier version said: `to` is that, as whoever asks has read it from the history. */
const LinkRevert = Type.Object(
  {
    type: Type.Literal("link.revert"),
    ...subject,
    to_version: Type.Integer({ minimum: 1 }),
    to: Type.Object(
      { original_url: Type.String(), title: Type.String(), expires_at: nullable(Type.String()), ...options },
      strict,
    ),
    reason: Reason,
  },
  strict,
);
/** Puts one tag in the place of another. */
const LinkRetag = Type.Object(
  { type: Type.Literal("link.retag"), ...subject, from: Type.String(), to: Type.String(), reason: Reason },
  strict,
);
/** Gives it to another user, active or not. */
const LinkHandOver = Type.Object(
  { type: Type.Literal("link.hand_over"), ...subject, user_id: Id, reason: Reason },
  strict,
);
const incident = { incident_id: Id };
const LinkTakeDown = Type.Object({ type: Type.Literal("link.take_down"), ...subject, ...incident }, strict);
/** Restores what that incident took down, where it is down for that still. */
const LinkBringBack = Type.Object({ type: Type.Literal("link.bring_back"), ...subject, ...incident }, strict);
/** A link as another program had it. Its old history is kept verbatim beside its state. */
const LinkImport = Type.Object(
  {
    type: Type.Literal("link.import"),
    id: subject.id,
    short_code: Type.String(),
    original_url: Type.String(),
    title: Type.String(),
    is_active: Type.Boolean(),
    user_id: subject.id,
    created_at: Type.String(),
    updated_at: Type.String(),
    legacy_history: Type.Array(Type.Record(Type.String(), Type.String())),
  },
  strict,
);

/** A link as another product had it, by the rules of links here and under an id of their own; when it was made stays. */
const { reason: _, ...ownMembers } = NewLink.properties;
const LinkAdopt = Type.Object(
  {
    type: Type.Literal("link.adopt"),
    ...ownMembers,
    short_code: Type.String(),
    is_active: Type.Boolean(),
    created_at: Type.String(),
    updated_at: Type.String(),
    imported_from: Type.Object(
      {
        product: Type.String({ minLength: 1, maxLength: 20 }),
        clicks: Type.Integer({ minimum: 0, description: "that it had counted" }),
      },
      strict,
    ),
  },
  strict,
);

/** In the order of the file. */
export const LINK_COMMANDS = {
  LinkCreate,
  LinkUpdate,
  LinkDelete,
  LinkRestore,
  LinkRevert,
  LinkRetag,
  LinkHandOver,
  LinkTakeDown,
  LinkBringBack,
  LinkImport,
  LinkAdopt,
};

export type LinkCreate = Static<typeof LinkCreate>;
export type LinkUpdate = Static<typeof LinkUpdate>;
export type LinkRevert = Static<typeof LinkRevert>;
export type LinkRetag = Static<typeof LinkRetag>;
export type LinkHandOver = Static<typeof LinkHandOver>;
export type LinkImport = Static<typeof LinkImport>;
export type LinkAdopt = Static<typeof LinkAdopt>;
/** The commands that change a link that is there. */
export type LinkChange =
  | LinkUpdate
  | Static<typeof LinkDelete>
  | Static<typeof LinkRestore>
  | LinkRevert
  | LinkRetag
  | LinkHandOver
  | Static<typeof LinkTakeDown>
  | Static<typeof LinkBringBack>;
export type LinkCommand = LinkCreate | LinkChange | LinkImport | LinkAdopt;
