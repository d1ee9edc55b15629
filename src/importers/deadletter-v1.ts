// Reads the first version's data: three CSV files into checked records, which wait in a file of their own, so that memory does not
// grow with them. An error names the file, the line and the rule.

import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { badRequest, DeadletterError, messageOf } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { checkCode } from "../model/code.ts";
import { checkTitle } from "../model/link-subject.ts";
import { checkOriginalUrl } from "../model/target.ts";
import { parseTime } from "../model/time.ts";
import { checkEmail, checkUsername } from "../model/user.ts";
import { CsvReader, type CsvRecord } from "../runtime/csv.ts";
import { Staging } from "./staging.ts";

/** Paths. */
export interface LegacyFiles {
  readonly users: string;
  readonly urls: string;
  readonly events: string;
}

/** All that the files say. The caller closes it. Throws bad_request, and then nothing is left behind. */
export async function readLegacy(files: LegacyFiles, ownHosts: ReadonlySet<string>): Promise<Staging> {
  const staging = new Staging();
  try {
    await readUsers(files.users, staging);
    await readLinks(files.urls, staging, ownHosts);
    await readEvents(files.events, staging);
    return staging;
  } catch (error) {
    staging.close();
    throw error;
  }
}

function readUsers(path: string, staging: Staging): Promise<void> {
  return readRows(path, ["id", "username", "email", "created_at"], (row, line) => {
    const user = {
      line,
      id: parseId("id", row.id),
      username: unchanged("username", row.username, checkUsername),
      email: unchanged("email", row.email, checkEmail),
      createdAtMs: parseLegacyTime("created_at", row.created_at),
    };
    staging.addUser(user);
  });
}

function readLinks(path: string, staging: Staging, ownHosts: ReadonlySet<string>): Promise<void> {
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
  return readRows(path, columns, (row, line) => {
    const link = {
      line,
      id: parseId("id", row.id),
      userId: parseId("user_id", row.user_id),
      code: checkCode(row.short_code),
      originalUrl: unchanged("original_url", row.original_url, (text) => checkOriginalUrl(text, ownHosts)),
      title: checkTitle(row.title),
      isActive: parseLegacyBoolean("is_active", row.is_active),
      createdAtMs: parseLegacyTime("created_at", row.created_at),
      updatedAtMs: parseLegacyTime("updated_at", row.updated_at),
    };
    staging.addLink(link);
  });
}

function readEvents(path: string, staging: Staging): Promise<void> {
  const columns = ["id", "url_id", "user_id", "event_type", "timestamp", "details"] as const;
  return readRows(path, columns, (row, line) => {
    const { id, url_id, user_id, event_type, timestamp, details } = row;
    const urlId = parseId("url_id", url_id);
    if (!["created", "updated", "deleted"].includes(event_type))
      throw badRequest("event_type: must be created, updated or deleted");
    parseJson("details", details);
    const order = parseId("id", id);
    const atMs = parseLegacyTime("timestamp", timestamp);
    staging.addEvent({ line, order, urlId, atMs, event: { id, user_id, event_type, timestamp, details } });
  });
}

/** Hands over row by row. */
async function readRows<Column extends string>(
  path: string,
  columns: readonly Column[],
  take: (row: Record<Column, string>, line: number) => void,
): Promise<void> {
  const name = basename(path);
  const reader = new CsvReader({ name, maxChars: LIMITS.importRowChars, isRelaxed: false });
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rows = -1;
  const takeAll = (records: readonly CsvRecord[]) => {
    for (const { cells, line } of records) {
      rows += 1;
      if (rows === 0) checkHeader(name, columns, cells);
      else takeRow(name, columns, { cells, line }, take);
    }
    if (rows > LIMITS.importRows)
      throw badRequest(`${name}: at most ${LIMITS.importRows} rows can be imported at once`);
  };
  try {
    for await (const chunk of createReadStream(path))
      takeAll(reader.push(decoder.decode(chunk as Uint8Array, { stream: true })));
    takeAll([...reader.push(decoder.decode()), ...(await reader.end())]);
  } catch (error) {
    throw error instanceof DeadletterError ? error : badRequest(`cannot read ${path}: ${messageOf(error)}`);
  }
  if (rows < 0) checkHeader(name, columns, []);
}

function checkHeader(name: string, columns: readonly string[], cells: readonly string[]): void {
  if (cells.join(",") !== columns.join(","))
    throw badRequest(`${name} line 1: the columns must be ${columns.join(",")}`);
}

function takeRow<Column extends string>(
  name: string,
  columns: readonly Column[],
  { cells, line }: CsvRecord,
  take: (row: Record<Column, string>, line: number) => void,
): void {
  const row = Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? ""])) as Record<
    Column,
    string
  >;
  try {
    take(row, line);
  } catch (error) {
    if (error instanceof DeadletterError) throw badRequest(`${name} line ${line}: ${error.message}`, error.hint);
    throw error;
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
