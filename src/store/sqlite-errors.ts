// What SQLite refuses with, in the words that both engines share.

import { StoreError, type StoreErrorKind } from "./store.ts";

/** SQLite extended result codes (sqlite.org/rescode.html) in the words both engines share. */
const KINDS: Readonly<Record<number, StoreErrorKind>> = {
  275: "check",
  787: "foreign_key",
  1299: "check",
  1555: "unique",
  1811: "guard",
  2067: "unique",
};

export function mapSqliteError(error: unknown): unknown {
  const errno = (error as { errno?: unknown }).errno;
  if (!(error instanceof Error) || typeof errno !== "number") return error;
  const check = /^deadletter check: (\w+)$/.exec(error.message)?.[1];
  if (check !== undefined) return new StoreError("check", check, error);
  if (error.message.startsWith("no such table")) return new StoreError("missing_table", error.message.slice(15), error);
  return new StoreError(KINDS[errno] ?? "other", constraintName(error.message), error);
}

/** `UNIQUE constraint failed: urls.short_code` becomes PostgreSQL's name for it, urls_short_code_key. */
function constraintName(message: string): string {
  const named = /failed: index '(\w+)'/.exec(message)?.[1] ?? /^CHECK constraint failed: (\w+)$/.exec(message)?.[1];
  if (named !== undefined) return named;
  const columns = /failed: (.+)$/.exec(message)?.[1]?.split(", ") ?? [];
  const [table = ""] = columns[0]?.split(".") ?? [];
  if (table === "events" && columns.length === 3) return "events_subject_key";
  return columns.length === 1 ? `${columns[0]?.replace(".", "_")}_key` : columns.join("_");
}

export function isOfSqlite(error: unknown): boolean {
  return typeof (error as { errno?: unknown }).errno === "number";
}

/** SQLITE_BUSY (5) in any of its extended forms. */
export function isBusy(error: unknown): boolean {
  return isOfSqlite(error) && ((error as { errno: number }).errno & 255) === 5;
}
