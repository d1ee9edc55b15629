// The incident: links that do harm, taken down together by what they have in common, and held down while it is open. Pure.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, conflict, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { checkReason } from "./event.ts";
import { flag, integer, json, type RowOf, schemaOf, text, time } from "./field.ts";
import { checkMatch, IncidentMatch } from "./incident-match.ts";
import { OPTIONS_GENERATION } from "./link.ts";
import { Id, Reason, strict } from "./schema.ts";
import { born, type Context, type Decision, NOTHING, nextVersion, type Subject, stateFromRow } from "./subject.ts";
import { cleanText } from "./text.ts";

const fields = {
  id: integer({ isFixed: true }),
  match: json(IncidentMatch, { isFixed: true }),
  reason: text({ isFixed: true }),
  /** Whether nothing that matches may be made, changed into, or brought back. */
  hold: flag({ isFixed: true }),
  is_open: flag(),
  taken: integer(),
  undone: integer(),
  created_at: time({ isFixed: true }),
  updated_at: time(),
  version: integer(),
};

export const Incident = schemaOf("Incident", fields, {
  id: 1,
  match: { host: "evil.example" },
  reason: "phishing",
  hold: true,
  is_open: true,
  taken: 120,
  undone: 0,
  created_at: "2026-11-26T02:10:00.000Z",
  updated_at: "2026-11-26T02:10:02.000Z",
  version: 3,
});
export type Incident = Static<typeof Incident>;
export type IncidentRow = RowOf<typeof fields>;

export function incidentFromRow(row: IncidentRow): Incident {
  return stateFromRow({ fields }, row) as Incident;
}

/** What a command that opens an incident says of it. */
export const NewIncident = Type.Object(
  {
    match: IncidentMatch,
    reason: Type.String({ description: `what it is, 1 to ${LIMITS.reasonChars} characters` }),
    hold: Type.Optional(
      Type.Boolean({
        description: "refuse what matches as long as the incident is open: to make, to change into, to bring back",
      }),
    ),
  },
  strict,
);

/** Links of one transaction. */
const Links = Type.Array(Id, { minItems: 1, maxItems: LIMITS.incidentLinks });
const IncidentOpen = Type.Object({ type: Type.Literal("incident.open"), ...NewIncident.properties }, strict);
/** Says which links went down, or came back, in the transaction that did it. */
const IncidentAct = Type.Object(
  {
    type: Type.Literal("incident.act"),
    id: Id,
    taken: Type.Optional(Links),
    undone: Type.Optional(Links),
  },
  strict,
);
const IncidentClose = Type.Object({ type: Type.Literal("incident.close"), id: Id, reason: Reason }, strict);

export type IncidentCommand = Static<typeof IncidentOpen> | Static<typeof IncidentAct> | Static<typeof IncidentClose>;

export const INCIDENT: Subject<IncidentRow, IncidentCommand> = {
  type: "incident",
  noun: "incident",
  table: "incidents",
  fields,
  generation: OPTIONS_GENERATION,
  events: ["created", "updated", "deleted"],
  beside: ["links"],
  sides: [],
  commands: {
    "incident.open": { schema: IncidentOpen, needs: "editor", makes: "drawn" },
    "incident.act": { schema: IncidentAct, needs: "editor" },
    "incident.close": { schema: IncidentClose, needs: "editor" },
  },
  uniques: {},
  isActive: ({ is_open }) => is_open === true,
  // What it took may be undone after it was closed.
  mayChangeInactive: OPTIONS_GENERATION,
  nameOf: () => undefined,
  counterOf: () => undefined,
  show: (_, state) => state,
  mayReadDisclosure: () => true,
  around: () => NOTHING,
  draw: () => "",
  check(command) {
    if (command.type === "incident.open") incidentOf(command);
    else if (command.type === "incident.close") checkReason(command.reason);
  },
  decide,
};

function decide(row: IncidentRow | null, command: IncidentCommand, context: Context): Decision<IncidentRow> {
  if (command.type === "incident.open")
    return { op: "created", next: born(incidentOf(command), context), reason: null };
  if (row === null) throw notFound(`no incident ${command.id}`);
  if (command.type === "incident.close") {
    if (row.is_open === 0) throw conflict(`incident ${row.id} is closed already`);
    return { op: "deleted", next: nextVersion(row, { is_open: 0 }, context), reason: checkReason(command.reason) };
  }
  const { taken = [], undone = [] } = command;
  if (taken.length > 0 && row.is_open === 0) throw conflict(`incident ${row.id} is closed`, "open another one");
  // Or whoever undoes it and whoever goes on with it would take turns.
  if (taken.length > 0 && row.undone > 0) throw conflict(`incident ${row.id} was undone`, "open another one");
  const next = nextVersion(row, { taken: row.taken + taken.length, undone: row.undone + undone.length }, context);
  return { op: "updated", next, reason: null, beside: { links: taken.length > 0 ? { taken } : { undone } } };
}

function incidentOf({ match, reason, hold = false }: Static<typeof IncidentOpen>) {
  const said = cleanText("reason", reason, LIMITS.reasonChars);
  if (said === "") throw badRequest("reason: must not be empty");
  return {
    match: JSON.stringify(checkMatch(match)),
    reason: said,
    hold: hold ? 1 : 0,
    is_open: 1,
    taken: 0,
    undone: 0,
  };
}
