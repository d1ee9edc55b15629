// How an event is shown: as a row of a list, as a line, and what it changed. Pure, but for colours.

import pc from "picocolors";
import type { Changes } from "../model/changes.ts";
import type { Event } from "../model/event.ts";
import type { Column, Paint } from "./table.ts";
import { cutMiddle, printable, widthOf } from "./text.ts";
import { relativeTime } from "./when.ts";

const KIND_PAINTS: Readonly<Record<string, Paint>> = {
  created: pc.green,
  updated: pc.yellow,
  deleted: pc.red,
  restored: pc.cyan,
  imported: pc.blue,
  erased: pc.magenta,
};

export function paintKind(kind: string): string {
  return (KIND_PAINTS[kind] ?? String)(kind);
}

export function eventColumns(nowMs: number): readonly Column<Event>[] {
  return [
    { name: "what", value: nameOf, least: 10, paint: () => pc.bold },
    {
      name: "happened",
      value: ({ event_type }) => event_type,
      paint: ({ event_type }) => KIND_PAINTS[event_type] ?? String,
    },
    { name: "who", value: whoOf, least: 8 },
    {
      name: "when",
      value: ({ timestamp }) => timestamp,
      shown: ({ timestamp }) => relativeTime(timestamp, nowMs),
      paint: () => pc.dim,
    },
    { name: "details", value: (event) => detailsOf(event), shown: (event) => briefDetailsOf(event), least: 10 },
    { name: "id", value: ({ id }) => id, isExtra: true, align: "right" },
    { name: "subject", value: ({ subject }) => subject, isExtra: true },
    { name: "version", value: ({ version }) => version, isExtra: true, align: "right" },
    { name: "reason", value: ({ reason }) => reason ?? "", isExtra: true },
    { name: "request", value: ({ request_id }) => request_id ?? "", isExtra: true },
  ];
}

function nameOf({ subject_name, subject }: Event): string {
  return subject_name ?? subject;
}

function whoOf({ actor_name }: Event): string {
  return actor_name ?? "(erased)";
}

/** When, what, what happened to it, who did it, and the details: for a line of a log. */
export function eventLine(event: Event): string[] {
  return [
    event.timestamp,
    `${printable(nameOf(event))}@${event.version}`,
    event.event_type,
    printable(whoOf(event)),
    printable(detailsOf(event)),
  ];
}

/** What people call it. */
const FIELD_NAMES: Readonly<Record<string, string>> = {
  original_url: "target",
  user_id: "owner",
  is_active: "active",
  incident_id: "incident",
};

/** Every change, verbatim: `title: "a" -> "b"; is_active: true -> false (duplicate)` */
function detailsOf(event: Event): string {
  return withReason(event, describeEach(event, changesOf(event), JSON.stringify));
}

/** What a person wants to know first: `target: https://a.example/ -> https://b.example/` */
function briefDetailsOf(event: Event): string {
  const isNew = isNewSubject(event);
  const told = Object.entries(changesOf(event)).filter(([field, { to }]) =>
    // What the kind of the event says already, and what is so of most new things, is left out.
    isNew ? BRIEF_OF_NEW.includes(field) && to !== "" : field !== "is_active",
  );
  return withReason(event, describeEach(event, Object.fromEntries(told), plain));
}

const BRIEF_OF_NEW: readonly string[] = ["original_url", "title", "username", "role", "reason"];

function describeEach(event: Event, changes: Changes, show: (value: unknown) => string): string {
  return Object.entries(changes)
    .map(([field, { from, to }]) => {
      const name = show === plain ? (FIELD_NAMES[field] ?? field) : field;
      return `${name}: ${isNewSubject(event) ? "" : `${show(from)} -> `}${show(to)}`;
    })
    .join("; ");
}

function isNewSubject({ event_type }: Event): boolean {
  return event_type === "created" || event_type === "imported";
}

/** What each field was and is; empty for an event that changes none. */
export function changesOf({ details }: Event): Changes {
  return (details.changes ?? {}) as Changes;
}

function withReason({ reason }: Event, text: string): string {
  return reason === null ? text : `${text}${text === "" ? "" : " "}(${reason})`;
}

/** A value as people write it; in quotes where its ends could not be told. */
function plain(value: unknown): string {
  if (value === null) return "none";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(String).join(",");
  if (typeof value !== "string") return JSON.stringify(value);
  return value === "" || value.includes(" ") ? JSON.stringify(value) : value;
}

/** `target: "a" -> "b"`, a line each; in two lines where it would not fit. */
export function changeLines(changes: Changes, width = Number.POSITIVE_INFINITY): string[] {
  return Object.entries(changes).flatMap(([field, { from, to }]) => {
    const name = FIELD_NAMES[field] ?? field;
    const [old, now] = [from, to].map((value) => printable(JSON.stringify(value)));
    const whole = `${name}: ${old} -> ${now}`;
    if (widthOf(whole) <= width) return [`${name}: ${pc.red(old)} -> ${pc.green(now)}`];
    return [
      `${name}:`,
      pc.red(`- ${cutMiddle(old ?? "", width - 2)}`),
      pc.green(`+ ${cutMiddle(now ?? "", width - 2)}`),
    ];
  });
}
