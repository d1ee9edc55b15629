// Reads the first version's data: three CSV files into checked records. Pure; an error names the file, the line and the rule.

import { CsvError, parse } from "csv-parse/sync";
import { badRequest, DeadletterError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { checkCode } from "../model/code.ts";
import { checkTitle } from "../model/link.ts";
import { checkOriginalUrl } from "../model/target.ts";
import { parseTime } from "../model/time.ts";
import { checkEmail, checkUsername } from "../model/user.ts";

export interface LegacyUser {
  readonly line: number;
  readonly id: number;
  readonly username: string;
  readonly email: string;
  readonly createdAtMs: number;
}

export interface LegacyLink {
  readonly line: number;
  readonly id: number;
  readonly userId: number;
  readonly code: string;
  readonly originalUrl: string;
  readonly title: string;
  readonly isActive: boolean;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Its history, verbatim as it stood in the file, oldest first. */
  readonly history: LegacyEvent[];
}

export interface LegacyEvent {
  readonly id: string;
  readonly user_id: string;
  readonly event_type: string;
  readonly timestamp: string;
  readonly details: string;
}

export interface LegacyData {
  readonly users: readonly LegacyUser[];
  readonly links: readonly LegacyLink[];
  readonly events: number;
}

export interface LegacyFile {
  readonly name: string;
  readonly text: string;
}

export interface LegacyFiles {
  readonly users: LegacyFile;
  readonly urls: LegacyFile;
  readonly events: LegacyFile;
}

export function parseLegacy(files: LegacyFiles, ownHosts: ReadonlySet<string>): LegacyData {
  const users = readRows(
    files.users,
    ["id", "username", "email", "created_at"],
    (row, line): LegacyUser => ({
      line,
      id: parseId("id", row.id),
      username: unchanged("username", row.username, checkUsername),
      email: unchanged("email", row.email, checkEmail),
      createdAtMs: parseLegacyTime("created_at", row.created_at),
    }),
  );
  const columns = [
    "id",
    "user_id",
    "short_code",
    "original_url",
    "title",
    "is_active",
    "created_at",
    "updated_at",
  ] as const;
  const links = readRows(
    files.urls,
    columns,
    (row, line): LegacyLink => ({
      line,
      id: parseId("id", row.id),
      userId: parseId("user_id", row.user_id),
      code: checkCode(row.short_code),
      originalUrl: unchanged("original_url", row.original_url, (text) => checkOriginalUrl(text, ownHosts)),
      title: checkTitle(row.title),
      isActive: parseLegacyBoolean("is_active", row.is_active),
      createdAtMs: parseLegacyTime("created_at", row.created_at),
      updatedAtMs: parseLegacyTime("updated_at", row.updated_at),
      history: [],
    }),
  );
  refuseRepeats(files.users.name, users, (user) => [
    `id ${user.id}`,
    `username ${user.username.toLowerCase()}`,
    `email ${user.email.toLowerCase()}`,
  ]);
  refuseRepeats(files.urls.name, links, (link) => [`id ${link.id}`, `short_code ${link.code}`]);
  return { users, links, events: attachHistory(files.events, links) };
}

function attachHistory(file: LegacyFile, links: readonly LegacyLink[]): number {
  const byId = new Map(links.map((link) => [link.id, link]));
  const columns = ["id", "url_id", "user_id", "event_type", "timestamp", "details"] as const;
  const events = readRows(file, columns, (row, line) => {
    const link = byId.get(parseId("url_id", row.url_id));
    if (!link) throw badRequest(`url_id: no link ${row.url_id} in the links file`);
    if (!["created", "updated", "deleted"].includes(row.event_type))
      throw badRequest("event_type: must be created, updated or deleted");
    parseJson("details", row.details);
    const { id, user_id, event_type, timestamp, details } = row;
    const order = parseId("id", id);
    return {
      line,
      order,
      atMs: parseLegacyTime("timestamp", timestamp),
      link,
      event: { id, user_id, event_type, timestamp, details },
    };
  });
  refuseRepeats(file.name, events, (event) => [`id ${event.order}`]);
  events.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
  for (const { link, event } of events) link.history.push(event);
  return events.length;
}

function readRows<Column extends string, Row>(
  file: LegacyFile,
  columns: readonly Column[],
  read: (row: Record<Column, string>, line: number) => Row,
): Row[] {
  let records: { record: string[]; info: { lines: number } }[];
  try {
    const parsed: unknown = parse(file.text, { bom: true, info: true, skip_empty_lines: true });
    records = parsed as typeof records;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw badRequest(`${file.name} line ${error.lines}: ${error.message}`, "the file may be cut off; export it again");
  }
  const [header, ...rows] = records;
  if (header?.record.join(",") !== columns.join(","))
    throw badRequest(`${file.name} line 1: the columns must be ${columns.join(",")}`);
  if (rows.length > LIMITS.importRows)
    throw badRequest(`${file.name}: at most ${LIMITS.importRows} rows can be imported at once`);
  return rows.map(({ record, info }) => {
    const row = Object.fromEntries(columns.map((column, index) => [column, record[index] ?? ""])) as Record<
      Column,
      string
    >;
    try {
      return read(row, info.lines);
    } catch (error) {
      if (error instanceof DeadletterError)
        throw badRequest(`${file.name} line ${info.lines}: ${error.message}`, error.hint);
      throw error;
    }
  });
}

function refuseRepeats<Row extends { readonly line: number }>(
  name: string,
  rows: readonly Row[],
  keysOf: (row: Row) => string[],
): void {
  const seen = new Map<string, number>();
  for (const row of rows) {
    for (const key of keysOf(row)) {
      const earlier = seen.get(key);
      if (earlier !== undefined) throw badRequest(`${name} line ${row.line}: ${key} stands on line ${earlier} already`);
      seen.set(key, row.line);
    }
  }
}

/** Imported text survives byte for byte, so what a rule would trim is refused instead. */
function unchanged(field: string, text: string, check: (text: string) => string): string {
  if (check(text) !== text) throw badRequest(`${field}: has spaces around it`);
  return text;
}

function parseId(field: string, text: string): number {
  if (!/^[1-9][0-9]{0,14}$/.test(text))
    throw badRequest(`${field}: ${JSON.stringify(text.slice(0, 50))} is not a positive integer`);
  return Number(text);
}

function parseLegacyBoolean(field: string, text: string): boolean {
  const lower = text.toLowerCase();
  if (lower !== "true" && lower !== "false") throw badRequest(`${field}: must be True or False`);
  return lower === "true";
}

/** The first version wrote UTC as `2025-06-09 11:24:49`, with optional fractions; RFC 3339 is taken as well. */
function parseLegacyTime(field: string, text: string): number {
  if (text.includes("T")) return parseTime(field, text);
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(\.\d{1,6})?$/.exec(text);
  const iso = match && `${match[1]}T${match[2]}${(match[3] ?? ".").slice(0, 4).padEnd(4, "0")}Z`;
  const ms = iso ? Date.parse(iso) : Number.NaN;
  // Date.parse rolls February 30th over; a date that does not read back did not exist.
  if (!iso || !Number.isFinite(ms) || ms < 0 || new Date(ms).toISOString() !== iso)
    throw badRequest(`${field}: ${JSON.stringify(text.slice(0, 50))} is not a time such as 2025-06-09 11:24:49`);
  return ms;
}

function parseJson(field: string, text: string): void {
  try {
    JSON.parse(text);
  } catch {
    throw badRequest(`${field}: is not JSON`);
  }
}
