// What PostgreSQL and postgres.js throw, in the words that both engines share.

import postgres from "postgres";
import { unavailable } from "../errors.ts";
import { StoreError, type StoreErrorKind } from "./store.ts";

/** PostgreSQL error codes (appendix A of its manual) in the words both engines share. */
const KINDS: Readonly<Record<string, StoreErrorKind>> = {
  "23505": "unique",
  "23503": "foreign_key",
  "23514": "check",
  "23502": "check",
  "22001": "check",
  DL001: "guard",
  "42P01": "missing_table",
  "40001": "serialization",
  "40P01": "serialization",
  "55P03": "locked",
};
/** 08 connection, 25P03 idle too long, 28 login, 3D no such database, 53 resources, 57 intervention, 58 system. */
const DOWN = /^(08|25P03|28|3D|53|57|58)/;
const NETWORK =
  /^(CONNECT|ECONN|ENOTFOUND|EAI_|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOENT|EACCES|ERR_SOCKET|ERR_TLS|SASL_|AUTH_TYPE)/;

export function mapPostgresError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = String((error as { code?: unknown }).code ?? "");
  if (error instanceof postgres.PostgresError) {
    if (code === "25006") return unavailable("the database takes no changes now: it is read-only", { cause: error });
    if (DOWN.test(code)) return unavailable("the database is unavailable", { cause: error });
    return new StoreError(KINDS[code] ?? "other", error.constraint_name ?? "", error);
  }
  return NETWORK.test(code) ? unavailable("the database is unavailable", { cause: error }) : error;
}
