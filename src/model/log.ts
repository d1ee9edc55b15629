// The log as a subject of its own: its events say that it went back, and that somebody accepted that. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { conflict, notFound } from "../errors.ts";
import { checkReason } from "./event.ts";
import { integer, type RowOf, text, time } from "./field.ts";
import { Reason, strict } from "./schema.ts";
import { born, type Context, type Decision, NOTHING, nextVersion, type Subject } from "./subject.ts";

const fields = {
  id: integer({ isFixed: true }),
  /** How often the log went back; 0 before the first time, when there is no row. */
  epoch: integer(),
  /** The newest signed statement of it (tlog/rollback.ts), verbatim. */
  statement: text(),
  created_at: time({ isFixed: true }),
  updated_at: time(),
  version: integer(),
};

export type LogRow = RowOf<typeof fields>;

/** There is one log a store. */
export const LOG_ID = 1;

const members = {
  id: Type.Literal(LOG_ID),
  epoch: Type.Integer({ minimum: 1 }),
  statement: Type.String(),
  reason: Reason,
};
const LogCreate = Type.Object({ type: Type.Literal("log.create"), ...members }, strict);
const LogUpdate = Type.Object({ type: Type.Literal("log.update"), ...members }, strict);
/** The first time that it went back, or a later one. */
export type LogCommand = Static<typeof LogCreate> | Static<typeof LogUpdate>;

export const LOG: Subject<LogRow, LogCommand> = {
  type: "log",
  noun: "log",
  table: "logs",
  fields,
  generation: 2,
  events: ["created", "updated"],
  beside: [],
  sides: [],
  commands: {
    "log.create": { schema: LogCreate, needs: "admin", makes: "own" },
    "log.update": { schema: LogUpdate, needs: "admin" },
  },
  uniques: {},
  isActive: () => true,
  nameOf: () => undefined,
  counterOf: () => undefined,
  show: (_, state) => state,
  // What it says is published.
  mayReadDisclosure: () => true,
  around: () => NOTHING,
  draw: () => "",
  check({ reason }) {
    checkReason(reason);
  },
  decide,
};

/** Throws conflict for an epoch that is not a later one. */
function decide(
  row: LogRow | null,
  { type, epoch, statement, reason }: LogCommand,
  context: Context,
): Decision<LogRow> {
  const said = checkReason(reason);
  if (type === "log.create") return { op: "created", next: born({ epoch, statement }, context), reason: said };
  if (row === null) throw notFound("the log never went back");
  if (epoch <= row.epoch) throw conflict(`the log is in epoch ${row.epoch} already`);
  return { op: "updated", next: nextVersion(row, { epoch, statement }, context), reason: said };
}
