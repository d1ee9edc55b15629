// How commands show things to people: plain aligned text, colours only where a terminal wants them (NO_COLOR is obeyed).

import pc from "picocolors";
import type { Heard } from "../http/heard.ts";
import type { ShownLink } from "../http/shown-link.ts";
import type { Changes } from "../model/changes.ts";
import type { Event } from "../model/event.ts";
import type { Io } from "./command.ts";

/** Prints `value` as JSON, or as the lines that `people` would rather read. */
export function print(io: Io, isJson: boolean, value: unknown, people: () => string): void {
  io.out(isJson ? `${JSON.stringify(value, null, 2)}\n` : people());
}

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => Bun.stringWidth(row[column] ?? ""))));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - Bun.stringWidth(cell)))
      .join("  ")
      .trimEnd();
  return `${[pc.bold(line(header)), ...rows.map(line)].join("\n")}\n`;
}

export function describeLink(link: ShownLink): string {
  // By member, so that one that is not shown does not compile; the version stands with the id.
  const rows: Readonly<
    Record<Exclude<keyof ShownLink, "version" | "short_code" | "query_wins">, readonly [string, string]>
  > = {
    short_url: ["short url", link.short_url],
    original_url: ["target", printable(link.original_url)],
    title: ["title", printable(link.title) || "-"],
    is_active: ["state", link.is_active ? pc.green("active") : pc.red("inactive")],
    starts_at: ["starts", link.starts_at ?? "at once"],
    expires_at: ["expires", link.expires_at ?? "never"],
    tags: ["tags", link.tags.map(printable).join(", ") || "-"],
    status: ["status", `${link.status}${link.status === 301 || link.status === 308 ? ", which browsers keep" : ""}`],
    max_age: ["max-age", link.max_age === null ? "none" : `${link.max_age} s`],
    forward: ["forwards", link.forward === "none" ? "nothing" : `${link.forward}, ${link.query_wins} wins`],
    incident_id: ["incident", link.incident_id === null ? "-" : `down for incident ${link.incident_id}`],
    user_id: ["owner", link.user_id === null ? "-" : `user ${link.user_id}`],
    id: ["id", `${link.id}, version ${link.version}`],
    created_at: ["created", link.created_at],
    updated_at: ["updated", link.updated_at],
  };
  return Object.values(rows)
    .map(([name, value]) => `${name.padEnd(10)} ${value}\n`)
    .join("");
}

/** Which replicas have heard of a change; nothing where the change did not wait for them. */
export function describeHeard(heard: Heard | undefined): string {
  if (heard === undefined) return "";
  if (heard.complete) return `heard by every replica (${heard.replicas})\n`;
  const missing = heard.missing.map(({ replica, state }) => `${printable(replica)} (${state})`);
  const who = missing.length === 0 ? "it is not in the log yet, which a server that runs writes" : missing.join(", ");
  return `${pc.yellow("not heard by every replica")}: ${who}\n`;
}

export function linkTable(links: readonly ShownLink[]): string {
  if (links.length === 0) return "no links\n";
  const rows = links.map((link) => [
    link.short_code,
    link.is_active ? "active" : "inactive",
    link.created_at.slice(0, 10),
    shorten(link.tags.map(printable).join(","), 20),
    shorten(printable(link.title), 30),
    shorten(printable(link.original_url), 60),
  ]);
  return table(["CODE", "STATE", "CREATED", "TAGS", "TITLE", "TARGET"], rows);
}

export function eventTable(events: readonly Event[]): string {
  if (events.length === 0) return "no events\n";
  return table(["WHEN", "WHAT", "HAPPENED", "WHO", "DETAILS"], events.map(eventLine));
}

/** When, what, what happened to it, who did it, and the details. */
export function eventLine(event: Event): string[] {
  return [
    event.timestamp,
    `${printable(event.subject_name ?? event.subject)}@${event.version}`,
    event.event_type,
    printable(event.actor_name ?? "(erased)"),
    shorten(summarize(event), 70),
  ];
}

/** `title: "a" -> "b"; is_active: true -> false (duplicate)` */
function summarize(event: Event): string {
  const changes = (event.details.changes ?? {}) as Changes;
  const isNew = event.event_type === "created" || event.event_type === "imported";
  const text = Object.entries(changes)
    .map(([field, { from, to }]) => `${field}: ${isNew ? "" : `${JSON.stringify(from)} -> `}${JSON.stringify(to)}`)
    .join("; ");
  return printable(event.reason === null ? text : `${text} (${event.reason})`);
}

/** `  target: "a" -> "b"`, a line each. */
export function describeChanges(changes: Changes): string {
  const line = (text: string) => `${printable(text)}\n`;
  return Object.entries(changes)
    .map(([field, { from, to }]) => line(`  ${field}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`))
    .join("");
}

function shorten(text: string, width: number): string {
  return Bun.stringWidth(text) <= width ? text : `${text.slice(0, width - 3)}...`;
}

/** Text from outside must not move the cursor or ring the bell of whoever reads it. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}/gu, "\u{fffd}");
}

/** Progress for work that takes long: moving on a terminal, a line at each tenth elsewhere. Writes nothing but to `err`. */
export function progress(io: Io, label: string): { update: (done: number, total: number) => void; end: () => void } {
  let tenth = -1;
  let isShown = false;
  return {
    update(done, total) {
      const now = total === 0 ? 10 : Math.floor((done / total) * 10);
      if (now === tenth) return;
      tenth = now;
      isShown = true;
      io.err(io.isErrTerminal ? `\r${label} ${done}/${total}` : `${label} ${done}/${total}\n`);
    },
    end() {
      if (isShown && io.isErrTerminal) io.err("\n");
    },
  };
}
